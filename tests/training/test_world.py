"""A launch whose number of processes is not what was asked for is refused."""

from __future__ import annotations

import os

import pytest
import torch

from genarium.cli import main
from genarium.errors import PeerGone, UserError
from genarium.training import engine, world
from genarium.training.engine import Engine

LAUNCHERS = {
    "torchrun": ("WORLD_SIZE", "RANK"),
    "mpirun": ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    "hydra": ("PMI_SIZE", "PMI_RANK"),
    "mvapich": ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
}


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*world.SIZES, *world.RANKS, "MASTER_PORT", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)


def test_alone() -> None:
    assert (world.size(), world.rank()) == (1, 0)
    engine = Engine("cpu")
    assert (engine.world, engine.rank, engine.main) == (1, 0, True)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_several(monkeypatch: pytest.MonkeyPatch, launcher: str) -> None:
    size, rank = LAUNCHERS[launcher]
    monkeypatch.setenv(size, "1")
    assert (world.size(), world.rank()) == (1, 0)
    monkeypatch.setenv(size, "3")
    with pytest.raises(UserError, match=r"3 processes .* --processes N"):
        world.size()
    monkeypatch.setenv(rank, "2")
    assert (world.size(), world.rank()) == (3, 2)
    monkeypatch.setenv(size, "three")
    with pytest.raises(UserError, match=f"{size}=three is not a number"):
        world.size()


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_fewer_met_than_were_asked_for(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    class Alone:
        num_processes, process_index = 1, 0

        def __init__(self, *, cpu: object, **_: object):
            assert cpu is True, "else it meets nobody where there is no GPU"

    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    monkeypatch.setattr("accelerate.Accelerator", Alone)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UserError, match="2 processes were asked for and 1 met"):
        Engine(device)


@pytest.mark.parametrize("more", [[], ["--cpu"]])
@pytest.mark.parametrize("verb", ["train dcgan", "resume run"])
def test_accelerate_s_launch_of_one_instead_of_two_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    verb: str,
) -> None:
    """In the environment that the pinned `accelerate launch` leaves to its one process."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_simple_launcher_cmd_env

    arguments = ["--num_processes", "2", *more, "-m", "genarium"]
    parsed, _, _ = _validate_launch_command(launch_command_parser().parse_args(arguments))
    if parsed.multi_gpu:
        pytest.skip("on several GPUs it starts several")
    _, left = prepare_simple_launcher_cmd_env(parsed)
    for name in set(left) - set(os.environ):
        monkeypatch.setenv(name, left[name])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").touch()
    monkeypatch.chdir(tmp_path)
    assert main([*verb.split(), "--quiet"]) == 2
    errors = capsys.readouterr().err
    assert "accelerate launch was asked for several processes and started one" in errors
    assert "--processes" in errors
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_one_process_of_accelerate_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert world.size() == 1


@pytest.mark.parametrize("call", ["mean", "any", "average", "broadcast", "wait"])
def test_another_process_that_is_gone_is_one_line(call: str) -> None:
    import torch

    class Gone:
        def __getattr__(self, name: str):
            def lost(*_: object, **__: object) -> None:
                raise RuntimeError("Connection closed by peer [127.0.0.1]:1")

            return lost

    engine = Engine("cpu")
    engine.world, engine.accelerator = 2, Gone()
    given = {"mean": torch.zeros(1), "any": 0, "average": [torch.zeros(1)], "broadcast": ""}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("accelerate.utils.broadcast_object_list", Gone().any)
        with pytest.raises(PeerGone, match="another process of this run ended"):
            getattr(engine, call)(*[given[call]] if call in given else ())


@pytest.mark.parametrize(
    ("allowed", "wanted"), [("", True), ("AVX2", False), ("default", True), ("AVX512_CORE", False)]
)
def test_bf16_only_where_onednn_may_use_its_units(
    monkeypatch: pytest.MonkeyPatch, allowed: str, wanted: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    for name in engine.ISA:
        monkeypatch.setenv(name, "")
    monkeypatch.setenv(engine.ISA[1], allowed)
    assert Engine("cpu").bf16 is wanted
