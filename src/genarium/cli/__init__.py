"""The command `genarium`: one thin file a verb, all of them over `genarium.api._old`.

Parsing needs no torch: `genarium --help` answers at once. Every error that a user can cause is
one line on stderr and exit status 2; a run that had to stop is one line and status 1.

Nothing but these two modules is imported before `main` begins, and Python has them loaded
already: a Ctrl-C in the first moments must meet the handler below, not an import.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

VERBS = {
    "models": "list every recipe as the tree of families, with what each can do",
    "data": "list, show and prepare data sets",
    "train": "train a recipe on images",
    "resume": "go on with a run exactly where it stopped",
    "sample": "draw new images from a trained model",
    "reconstruct": "send images through a model's code and back",
    "denoise": "clean damaged images",
    "encode": "write the codes of images as a table",
    "probe": "what simple classifiers find in the codes",
    "finetune": "a classifier that begins with the encoder, and one from scratch",
    "cluster": "find groups in the codes",
    "map": "draw the codes in the plane, coloured by class",
    "translate": "turn images of one kind into another",
    "complete": "keep part of images and draw the rest",
    "score": "the log-likelihood of each image, the strangest first",
    "interpolate": "walk between codes",
    "arithmetic": "add and subtract the mean codes of groups of images",
    "traverse": "move codes along a dimension or a found direction",
    "manifold": "draw what two numbers of the code do together",
    "invert": "search the codes of given images",
    "evaluate": "score a trained model, or images against others",
    "compare": "write a page that compares trained models",
    "study": "let people say which pictures are real",
    "demo": "train four families on digits and compare them",
}

COMPUTES = {*VERBS} - {"models", "data", "study"}

EXAMPLES = """examples:
  genarium demo                                    four families side by side, some minutes
  genarium train vae --data digits --steps 1000    a run folder under runs/
  genarium train dcgan --data PHOTOS --size 64     your own folder of images
  genarium sample runs/vae-digits-1 --out grid.png
  genarium compare runs/* --out report.html
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    try:
        from genarium.cli import streams

        streams.ensure()
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
        return 1
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
    import importlib
    import logging

    from genarium.cli.parser import Parser

    logging.basicConfig(format="genarium: warning: %(message)s", level=logging.WARNING)
    parser = Parser(
        prog="genarium",
        description="Train, sample, measure and compare every classic family of deep "
        "generative image models.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    wanted = next((a for a in arguments if not a.startswith("-")), None)
    modules = {}
    for name, summary in VERBS.items():
        sub = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
        if name == wanted:
            modules[name] = importlib.import_module(f"genarium.cli.{name}")
            modules[name].add_arguments(sub, arguments[arguments.index(name) + 1 :])
    found = parser.parse_args(arguments)
    if found.version:
        from importlib.metadata import version

        print(f"genarium {version('genarium')}")
        return 0
    if found.verb is None:
        parser.print_help()
        return 0
    if found.verb in COMPUTES:
        from genarium.training.allocator import keep_memory

        keep_memory()
    status: int = modules[found.verb].run(found)
    return status


def _one_line(message: Warning | str, *_: object, **__: object) -> None:
    from genarium.cli.streams import say

    say(f"genarium: warning: {message}")
