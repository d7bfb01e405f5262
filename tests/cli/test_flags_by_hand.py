"""Numbers that flags take, at their bounds; budgets of a run."""

from __future__ import annotations

import pytest

from genarium import recipes
from genarium.cli.parser import positive, real
from genarium.errors import UserError
from genarium.runs import configuration as config


def test_the_least_number_is_taken_and_one_less_is_not() -> None:
    assert positive("-n")("1") == 1
    assert positive("--steps", 2)("2") == 2
    for text in ("1", "0", "-3", "2.0", "two", ""):
        with pytest.raises(UserError, match="--steps"):
            positive("--steps", 2)(text)


def test_a_bound_may_be_part_of_the_range_or_not() -> None:
    assert real("--noise", least=0)("0") == 0.0
    with pytest.raises(UserError, match="at least 0"):
        real("--noise", least=0)("-0.1")
    assert real("--lr", above=0)("0.1") == 0.1
    with pytest.raises(UserError, match="above 0"):
        real("--lr", above=0)("0")


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "1e999"])
def test_numbers_are_finite(text: str) -> None:
    with pytest.raises(UserError, match=r"--range .*finite"):
        real("--range")(text)


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
