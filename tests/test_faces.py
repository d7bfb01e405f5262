"""The flat faces of `genarium.models` and `genarium.nn`: every name is there, nothing is loaded."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from genarium import lazy, recipes
from genarium.contract import Model

ROOMS = ("models", "nn")


@pytest.mark.parametrize("room", ROOMS)
def test_each_name_is_the_class_of_its_module(room: str) -> None:
    package = importlib.import_module(f"genarium.{room}")
    assert package.__file__ is not None
    known = lazy.homes(package.__file__)
    assert known
    assert set(known) <= set(dir(package))
    assert package.__all__ == sorted(known)
    for name, home in known.items():
        assert home.startswith(f"genarium.{room}.")
        result = getattr(package, name)
        assert isinstance(result, type)
        assert (result.__module__, result.__name__) == (home, name)


def test_every_recipes_model_is_exported() -> None:
    from genarium import models

    for entry in recipes.catalogue().values():
        kind = entry.load().returns()
        assert issubclass(kind, Model)
        assert getattr(models, kind.__name__) is kind


def test_modules_are_reached_and_wrong_names_refused() -> None:
    import genarium

    assert genarium.nn.conv.ConvEncoder is genarium.nn.ConvEncoder
    assert genarium.models.vae.model.VAE is genarium.models.VAE
    with pytest.raises(AttributeError, match=r"'genarium.models' has no attribute 'Nothing'"):
        genarium.models.Nothing  # noqa: B018


@pytest.mark.parametrize("room", ROOMS)
def test_a_face_is_seen_without_torch(room: str) -> None:
    program = (
        f"import sys, genarium.{room} as face; assert dir(face); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
