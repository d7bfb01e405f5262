"""The command `genarium`: made from the signatures of the functions in `genarium.api`.

Parsing needs no torch: `genarium --help` answers at once. Every error that a user can cause is
one line on stderr and exit status 2; a run that had to stop is one line and status 1.

Nothing but these two modules is imported before `main` begins, and Python has them loaded
already: a Ctrl-C in the first moments must meet the handler below, not an import.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from genarium.verbs import Entry

STILL = {"models", "environment", "data list", "study create", "study report"}
"""Verbs that do no heavy computing, so need no memory kept."""

ABOUT = "Train, sample, measure and compare every classic family of deep generative image models."

EXAMPLES = """examples:
  genarium demo                                    five families side by side, some minutes
  genarium train vae --data digits --steps 1000    a run folder under runs/
  genarium train dcgan --data PHOTOS --size 64     your own folder of images
  genarium sample runs/vae-digits-1 --out grid.png
  genarium compare runs/* --out report.html
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    try:
        from genarium.cli import interrupts, streams

        streams.ensure()
        with interrupts.after_torch():
            status = _main(list(sys.argv[1:] if argv is None else argv))
        return streams.flushed() or status
    except BrokenPipeError:
        # the reader of a pipe went away: say nothing, as other commands do
        streams.abandon(sys.stdout)
        return 141
    except KeyboardInterrupt:
        sys.stderr.write("genarium: interrupted\n")
        return 130


def _main(arguments: list[str]) -> int:
    import warnings

    from genarium import errors
    from genarium.cli.streams import say

    warnings.showwarning = _one_line
    try:
        return _verb(arguments)
    except errors.UserError as error:
        say(f"genarium: error: {error}")
        return 2
    except errors.RunError as error:
        say(f"genarium: stopped: {error}")
        return error.status
    except errors.Interrupted as stop:
        say(f"genarium: {stop}")
        return stop.status
    except OSError as error:
        if error.errno in errors.NAMES and error.filename is not None:
            say(f"genarium: error: {errors.unusable(error)}")
            return 2
        if error.errno not in errors.FULL:
            raise
        what = f"{error.filename or 'stdout or a file'} cannot be written"
        say(f"genarium: stopped: {what} ({error.strerror}): free some space, or write elsewhere")
        return 1
    except (MemoryError, RuntimeError, ValueError) as error:
        if not errors.out_of_memory(error):
            raise
        say(f"genarium: stopped: {errors.ADVICE}")
        return 1


def _verb(arguments: list[str]) -> int:
    """Parse, and run the verb."""
    import logging

    from genarium.cli import verbs as of_signature
    from genarium.cli.parser import Parser
    from genarium.verbs import GROUPS, catalogue

    logging.basicConfig(format="genarium: warning: %(message)s", level=logging.WARNING)
    known = catalogue()
    parser = Parser(
        prog="genarium",
        usage="genarium VERB ...     (genarium VERB --help shows what a verb takes)",
        description=f"{ABOUT}\n\n{of_signature.listing(known, GROUPS)}",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--version",
        action="store_true",
        help="print the version, what is installed and where it computes",
    )
    args, run = _parsed(parser, known, arguments)
    if args.version:
        from genarium.api.environment import environment

        print(environment().version())
        return 0
    if run is None:
        parser.print_help()
        return 0
    return run(args)


def _parsed(
    parser: Any, known: dict[str, Entry], arguments: list[str]
) -> tuple[Any, Callable[[Any], int] | None]:
    """The arguments, and what runs the verb that they name. Only that verb is imported."""
    import argparse
    from functools import partial

    from genarium.cli import verbs as of_signature

    words = [a for a in arguments if not a.startswith("-")][:2]
    actions = parser.add_subparsers(
        dest="verb", metavar="VERB", prog=parser.prog, help=argparse.SUPPRESS
    )
    groups: dict[str, Any] = {}
    chosen: dict[str, Callable[[Any], int]] = {}
    for name, entry in known.items():
        first, _, second = name.partition(" ")
        at = actions
        if second:
            if first not in groups:
                group = actions.add_parser(first)
                groups[first] = group.add_subparsers(dest="action", metavar="ACTION", required=True)
            at = groups[first]
        # the list of all verbs has its groups, so it is in the description
        listed = {"help": of_signature.summary(entry).replace("%", "%%")} if second else {}
        sub = at.add_parser(second or first, **listed)
        if words[: 1 + bool(second)] == name.split():
            verb, last = entry.load(), arguments.index(second or first)
            of_signature.add_arguments(sub, verb, arguments[last + 1 :])
            chosen[name] = partial(of_signature.run, verb)
    args = parser.parse_args(arguments)
    name = " ".join(filter(None, (args.verb, getattr(args, "action", None))))
    if name and name not in STILL:
        from genarium.training.allocator import keep_memory
        from genarium.training.waiting import wait_briefly

        keep_memory()
        wait_briefly()
    return args, chosen.get(name)


def _one_line(message: Warning | str, *_: object, **__: object) -> None:
    from genarium.cli.streams import say

    say(f"genarium: warning: {message}")
