"""Arithmetic, attribute and turn vectors, traversals: exact where they are linear."""

from __future__ import annotations

import pytest
import torch

from genarium.latent import analogy, attribute_vector, traverse, turn_vector


def codes(n: int, size: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed))


def test_arithmetic_of_a_linear_decoder_is_arithmetic_of_the_images() -> None:
    matrix = torch.randn(4, 9, generator=torch.Generator().manual_seed(9))
    a, b, c = codes(3, seed=1), codes(3, seed=2), codes(2, seed=3)
    result = analogy([a, c], [b]) @ matrix
    means = [(group @ matrix).mean(0) for group in (a, b, c)]
    torch.testing.assert_close(result, means[0] - means[1] + means[2])


def test_an_analogy_of_a_group_with_itself_cancels() -> None:
    a, c = codes(3, seed=1), codes(3, seed=2)
    torch.testing.assert_close(analogy([a, c], [a]), c.mean(0))


def test_attribute_vector_recovers_a_planted_direction() -> None:
    base, mask = codes(6), torch.tensor([True, False] * 3)
    planted = torch.tensor([0.0, 2.0, -1.0, 0.0])
    moved = base.mean(0).repeat(6, 1) + mask[:, None] * planted
    torch.testing.assert_close(attribute_vector(moved, mask), planted)


def test_turn_vector_brings_one_mean_to_the_other() -> None:
    left, right = codes(4, seed=1), codes(5, seed=2)
    torch.testing.assert_close(left.mean(0) + turn_vector(left, right), right.mean(0))


def test_traverse_sets_a_dimension_and_adds_a_direction() -> None:
    z, values = codes(3), torch.tensor([-1.0, 0.0, 2.0])
    walk = traverse(z, 1, values)
    assert walk.shape == (3, 3, 4)
    assert torch.equal(walk[:, :, 1], values.expand(3, 3))
    rest = [0, 2, 3]
    assert torch.equal(walk[:, :, rest], z[:, None, rest].expand(3, 3, 3))
    direction = torch.tensor([1.0, 0.0, 0.0, -2.0])
    moved = traverse(z, direction, values)
    assert torch.equal(moved[:, 1], z)
    torch.testing.assert_close(moved[:, 2], z + 2 * direction)


def test_bad_groups_are_refused() -> None:
    z = codes(4)
    with pytest.raises(ValueError, match="at least one group"):
        analogy([], [z])
    with pytest.raises(ValueError, match="n at least 1"):
        analogy([z[:0]])
    with pytest.raises(ValueError, match="with must be codes"):
        attribute_vector(z, torch.zeros(4, dtype=torch.bool))
    with pytest.raises(ValueError, match="bool"):
        attribute_vector(z, torch.ones(4))
    with pytest.raises(ValueError, match=r"0 \.\. 3"):
        traverse(z, 4, [0.0])
    with pytest.raises(ValueError, match="direction has shape"):
        traverse(z, torch.ones(3), [0.0])
