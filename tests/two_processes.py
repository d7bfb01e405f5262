"""One of two processes that train every recipe together; see test_conformance.py."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conftest import CASES, make_trainer, tiny_dataset

STEPS = 3


def dataset():
    return tiny_dataset(n=32)


def main(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    for name, (recipe, arguments) in CASES.items():
        trainer = make_trainer(
            recipe, dataset(), steps=STEPS, arguments=arguments, precision="fp32"
        )
        assert trainer.engine.world == 2
        trainer.fit()
        if trainer.engine.main:
            state = {k: v.contiguous() for k, v in trainer.model.state_dict().items()}
            save_file(state, folder / f"{name}.safetensors")
        trainer.engine.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
