"""How many processes train together, as the environment of a launcher says. Needs no torch."""

from __future__ import annotations

import os

from genarium.errors import UserError

SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
REMEDY = "start them with `genarium train ... --processes N`"


def size() -> int:
    """The number of processes that the launcher was asked for, 1 without one.

    Raises UserError for a launch that is not what was asked for.
    """
    count = _number(SIZES)
    if count is None or count == 1:
        # what `accelerate launch --num_processes N` leaves when it starts a single process
        # (accelerate 1.15 does, without several GPUs)
        if "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_PORT" in os.environ:
            raise UserError(
                f"accelerate launch was asked for several processes and started one: {REMEDY}"
            )
        return 1
    if count < 1:
        raise UserError(f"the environment asks for {count} processes: {REMEDY}")
    if _number(RANKS) is None:
        raise UserError(
            f"the environment asks for {count} processes (WORLD_SIZE) but does not say which this "
            f"is (RANK): {REMEDY}"
        )
    return count


def flag(count: int) -> str:
    """What the command that goes on with a run needs, so that as many processes do."""
    return f" --processes {count}" if count > 1 else ""


def rank() -> int:
    """Which of the processes this is, from 0."""
    return (_number(RANKS) or 0) if size() > 1 else 0


def _number(names: tuple[str, ...]) -> int | None:
    for name in names:
        if value := os.environ.get(name):
            try:
                return int(value)
            except ValueError:
                raise UserError(f"{name}={value} is not a number: unset it") from None
    return None
