"""Numbers that flags take, at their bounds; budgets of a run."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from annotated_types import Ge, Gt, Le

from genarium import recipes
from genarium.errors import UserError
from genarium.runs import configuration as config
from genarium.signatures import LARGEST, Field, check


def flag(name: str, kind: Any) -> Field:
    return Field("verb", name, kind, None)


def test_the_least_number_is_taken_and_one_less_is_not() -> None:
    steps = flag("steps", Annotated[int, Ge(2)])
    assert check(steps, "2") == 2
    for text in ("1", "0", "-3", "2.5", "two", ""):
        with pytest.raises(UserError, match=f"--steps '{text}': give a "):
            check(steps, text)


def test_a_bound_may_be_part_of_the_range_or_not() -> None:
    noise, lr = flag("noise", Annotated[float, Ge(0)]), flag("lr", Annotated[float, Gt(0)])
    assert check(noise, "0") == 0.0
    with pytest.raises(UserError, match="at least 0"):
        check(noise, "-0.1")
    assert check(lr, "0.1") == 0.1
    with pytest.raises(UserError, match="above 0"):
        check(lr, "0")


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "1e999"])
def test_numbers_are_finite(text: str) -> None:
    with pytest.raises(UserError, match=r"--range .*finite"):
        check(flag("range", float), text)


def test_whole_numbers_end_somewhere() -> None:
    assert check(flag("n", int), str(LARGEST)) == LARGEST
    with pytest.raises(UserError, match=f"at most {LARGEST}"):
        check(flag("n", int), str(LARGEST + 1))
    assert check(flag("seed", Annotated[int, Le(2**63 - 1)]), str(2**62)) == 2**62


def test_a_recipes_steps_hold_only_where_no_other_budget_is_given() -> None:
    recipe = recipes.get("vae")
    for given, steps in (
        ({}, recipe.training["steps"]),
        ({"steps": 7}, 7),
        ({"epochs": 2}, None),
        ({"minutes": 1.5}, None),
    ):
        result = config.resolve(recipe, {"training": given})
        assert result.training["steps"] == steps
        assert result.training["batch"] == recipe.training["batch"]
