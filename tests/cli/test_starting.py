"""What a verb loads before it does anything: held by modules, as clocks differ between machines."""

import subprocess
import sys

HEAVY = (
    "torch._dynamo",
    "torch._inductor",
    "sympy",
    "scipy",
    "sklearn",
    "matplotlib",
    "accelerate",
)

PROGRAM = """
import sys
from genarium.cli import main

def loaded(*arguments):
    assert main([*arguments, "--quiet"] if arguments[0] == "train" else list(arguments)) == 0
    print("loaded", arguments[0], *(name for name in {heavy!r} if name in sys.modules))

run = {run!r}
loaded("train", "vae", "--data", "digits", "--steps", "1", "--batch", "8", "--out", run)
loaded("resume", run, "--steps", "2")
loaded("sample", run, "-n", "4", "--out", run + "-samples")
loaded("encode", run, "--out", run + ".npz")
loaded("evaluate", run, "-n", "60", "--out", run + ".json")
"""


def test_verbs_load_neither_a_compiler_nor_what_they_do_not_use(tmp_path):
    """All in one process, in which each adds to what those before have loaded."""
    program = PROGRAM.format(heavy=HEAVY, run=str(tmp_path / "run"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("loaded ")]
    verbs = ("train", "resume", "sample", "encode", "evaluate")
    assert said == [f"loaded {verb}" for verb in verbs]
