"""Paths between codes against their closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from genarium.latent import interpolate, lerp, slerp

X, Y = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])


def pairs(n: int = 50, size: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, size, generator=generator), torch.randn(n, size, generator=generator)


def test_half_way_between_orthogonal_unit_vectors() -> None:
    half = torch.tensor([math.sqrt(0.5), math.sqrt(0.5), 0.0])
    torch.testing.assert_close(slerp(X, Y, 0.5), half)
    torch.testing.assert_close(lerp(X, Y, 0.5), torch.tensor([0.5, 0.5, 0.0]))


@pytest.mark.parametrize("t", [0.1, 0.25, 0.7])
def test_a_known_angle_is_divided_in_proportion(t: float) -> None:
    angle = 2.0
    b = math.cos(angle) * X + math.sin(angle) * Y
    expected = math.cos(t * angle) * X + math.sin(t * angle) * Y
    torch.testing.assert_close(slerp(X, b, t), expected)


def test_the_norm_is_kept_on_the_sphere_and_linear_between_lengths() -> None:
    a, b = pairs()
    t = torch.linspace(0, 1, 11)[None, :, None]
    sphere = slerp(5 * a / a.norm(dim=1, keepdim=True), 5 * b / b.norm(dim=1, keepdim=True), 0.3)
    torch.testing.assert_close(sphere.norm(dim=1), torch.full((50,), 5.0))
    walk = slerp(a[:, None], b[:, None], t)
    lengths = lerp(a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True), t[..., 0])
    torch.testing.assert_close(walk.norm(dim=2), lengths)


def test_ends_are_exact() -> None:
    a, b = pairs()
    for path in (lerp, slerp):
        assert torch.equal(path(a, b, 0.0), a)
        assert torch.equal(path(a, b, 1.0), b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (X, 3 * X),  # parallel
        (X, -2 * X),  # antiparallel: no plane to turn in
        (X, torch.zeros(3)),
        (torch.zeros(3), torch.zeros(3)),
        (X, X + 1e-6 * Y),  # nearly parallel
    ],
)
def test_degenerate_pairs_go_straight(a: torch.Tensor, b: torch.Tensor) -> None:
    t = torch.linspace(0, 1, 5)[:, None]
    assert torch.equal(slerp(a, b, t), lerp(a, b, t))


def test_one_degenerate_pair_leaves_the_other_rows_alone() -> None:
    a, b = torch.stack([X, X]), torch.stack([-X, Y])
    torch.testing.assert_close(slerp(a, b, 0.5), torch.stack([0 * X, slerp(X, Y, 0.5)]))


def test_nearly_opposite_vectors_stay_on_the_sphere() -> None:
    """1e-3 from antiparallel, where acos of a float32 dot product is off by percents."""
    a, b = pairs()
    a = torch.nn.functional.normalize(a.double(), dim=1)
    side = torch.nn.functional.normalize(b.double() - (a * b).sum(1, keepdim=True) * a, dim=1)
    b = -math.cos(1e-3) * a + math.sin(1e-3) * side
    result = slerp(a.float(), b.float(), 0.5)
    torch.testing.assert_close(result.norm(dim=1), torch.ones(50), rtol=0, atol=2e-3)


def test_interpolate_takes_the_condition_straight() -> None:
    a, b = pairs(size=5)
    walk = interpolate(a, b, 4, noise=3)
    assert walk.shape == (50, 4, 5)
    t = torch.linspace(0, 1, 4)[None, :, None]
    torch.testing.assert_close(walk[..., :3], slerp(a[:, None, :3], b[:, None, :3], t))
    torch.testing.assert_close(walk[..., 3:], lerp(a[:, None, 3:], b[:, None, 3:], t))
    torch.testing.assert_close(interpolate(a, b, 4, "linear"), lerp(a[:, None], b[:, None], t))
    assert torch.equal(walk[:, 0], a)
    assert torch.equal(walk[:, -1], b)


def test_interpolate_refuses() -> None:
    a, b = pairs()
    with pytest.raises(ValueError, match="at least 2"):
        interpolate(a, b, 1)
    with pytest.raises(ValueError, match=r"\[n,D\]"):
        interpolate(a, b[:3], 5)
    with pytest.raises(ValueError, match="spherical or linear"):
        interpolate(a, b, 5, "cubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="7 columns"):
        interpolate(a, b, 5, noise=8)
