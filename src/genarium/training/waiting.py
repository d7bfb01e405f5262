"""How long a thread of PyTorch's waits busily for the others: a moment, and not many milliseconds.

At the end of each operation the threads of GNU's OpenMP, which PyTorch has on Linux, wait for the
last one in a loop, 300,000 times round, before they sleep. Where another program has the core of
that last one, the loop keeps it from the other core too, and does so at each operation: a step of a
small VAE, 4.2 ms with two threads on a free machine, took 1,000 ms beside other work. With 20,000
times round it took 110 ms there, and 4.3 to 4.5 ms on the free machine. It changes no number.

The command says so for itself, before PyTorch is loaded, which reads it once. GOMP_SPINCOUNT or
OMP_WAIT_POLICY in the environment decide instead. The library never touches it by itself.
"""

from __future__ import annotations

import os
import sys

ROUNDS = 20_000
VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def wait_briefly() -> None:
    """Let the threads of this process, and of those that it starts, sleep sooner."""
    if "torch" not in sys.modules and not any(os.environ.get(name) for name in VARIABLES):
        os.environ[VARIABLES[0]] = str(ROUNDS)
