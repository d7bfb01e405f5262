"""The compiled sampler of the extra `fast`: the images of PyTorch's, whatever it runs on."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genarium.errors import UserError
from genarium.models.autoregressive.autoregressive import Autoregressive
from genarium.models.autoregressive.compression import HEAD, compress, decompress
from genarium.models.autoregressive.fast.program import CODED, PRECISION
from genarium.models.autoregressive.wavefront import Given
from tests.models.autoregressive import (
    assert_alike_but_for_noise,
    assert_comes_back,
    build,
    drawn,
    every_architecture,
    every_head,
    images_of,
)

pytest.importorskip("numba")


@pytest.fixture(autouse=True, scope="module")
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One process of the run compiles, for both types of floats, and the others read that."""
    fcntl = pytest.importorskip("fcntl")
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if base.name.startswith("popen") else base) / "fast"
    shared.mkdir(exist_ok=True)
    patch = pytest.MonkeyPatch()
    patch.setenv("GENARIUM_CACHE", str(shared))
    patch.delenv("GENARIUM_FAST", raising=False)
    with (shared / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for dtype in (torch.float32, torch.float64):
            drawn(build("plain", (1, 2, 2), levels=2, dtype=dtype), 1)
    yield
    patch.undo()


@pytest.fixture
def pytorch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Where a test asks for it, GENARIUM_FAST=0 lets PyTorch draw."""
    return monkeypatch


def both(model: Autoregressive, n: int, patch: pytest.MonkeyPatch, **how: object) -> list[Tensor]:
    """What the compiled sampler draws and what PyTorch's does."""
    assert model.compiled() is not None
    results = [drawn(model, n, **how)]
    with patch.context() as off:
        off.setenv("GENARIUM_FAST", "0")
        results.append(drawn(model, n, **how))
    return results


# -- the same images ------------------------------------------------------------------------------


@every_architecture
@every_head
def test_samples_are_those_of_pytorch(net, head, pytorch):
    """Bit for bit in float64: grey and in colour, conditional or not, more images than go together
    and such as make no whole vectors."""
    different = 0
    for conditional in (False, True):
        for shape, levels in (((1, 6, 7), 3), ((3, 3, 5), 5)):
            model = build(net, shape, head, levels=levels, conditional=conditional)
            compiled, reference = both(model, 7, pytorch)
            assert torch.equal(compiled, reference), (conditional, shape)
            different += len(compiled[:, :, -1].unique(dim=0)) > 1
    assert different >= 2


@every_architecture
@pytest.mark.parametrize(
    ("shape", "levels"), [((1, 9, 3), 4), ((1, 1, 5), 2), ((1, 5, 1), 2), ((3, 1, 1), 3)]
)
def test_narrow_images(net, shape, levels, pytorch):
    compiled, reference = both(build(net, shape, levels=levels), 2, pytorch)
    assert torch.equal(compiled, reference)


def test_wide_networks_and_far_dilations(pytorch):
    """Several vectors of outputs at once, of every width of the products; kernels that reach
    further than the image."""
    for net, features, more in (
        ("plain", 100, {"dilation": 8, "blocks": 4}),
        ("gated", 70, {"levels": 100}),
    ):
        settings = {"levels": 3, "features": features, **more}
        for n in (1, 3, 6):
            compiled, reference = both(build(net, (1, 5, 4), **settings), n, pytorch)
            assert torch.equal(compiled, reference), (net, n)


@every_head
@pytest.mark.parametrize("net", ["plain", "gated", "diagonal-bilstm"])
@pytest.mark.parametrize("shape", [(1, 8, 7), (3, 4, 5)], ids=["grey", "colour"])
def test_samples_in_float32(net, head, shape, pytorch):
    model = build(net, shape, head, levels=8, dtype=torch.float32)
    assert_alike_but_for_noise(model, *both(model, 32, pytorch))


@every_architecture
@every_head
@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 4, 5)], ids=["grey", "colour"])
def test_given_pixels_are_kept_and_the_rest_is_drawn_from_them(net, head, shape, pytorch):
    model = build(net, shape, head, levels=4)
    levels = torch.randint(4, (6, *shape), generator=torch.Generator().manual_seed(3))
    keep = torch.zeros(levels.shape, dtype=torch.bool)
    keep[:, :, :2] = True
    keep[:, -1, 3, 3] = True
    compiled, reference = both(model, 6, pytorch, given=Given(levels, keep))
    assert torch.equal(compiled[keep], levels[keep])
    assert torch.equal(compiled, reference)
    assert not torch.equal(compiled, levels)


def test_temperature_of_a_softmax(pytorch):
    model = build("plain", (1, 5, 6), levels=6)
    compiled, reference = both(model, 5, pytorch, temperature=0.6)
    assert torch.equal(compiled, reference)
    assert not torch.equal(compiled, drawn(model, 5))


# -- on what they do not depend -------------------------------------------------------------------


@pytest.mark.parametrize("net", ["dilated", "gated", "diagonal-bilstm"])
@pytest.mark.parametrize("shape", [(1, 5, 6), (3, 3, 4)], ids=["grey", "colour"])
def test_distributions_do_not_depend_on_the_images_beside(net, shape):
    """To the last unit of 2^-24, in float32: an image alone, in the middle of a group, in a group
    that is not full, on one of several threads."""
    model = build(net, shape, levels=5, dtype=torch.float32, features=37)
    levels = torch.randint(5, (CODED + 5, *shape), generator=torch.Generator().manual_seed(0))
    sampler = model.compiled()
    assert sampler is not None
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        together = sampler.encode(levels, None)
        assert [len(part) for part in together] == [n * math.prod(shape) for n in (CODED, 5)]
        torch.set_num_threads(1)
        for number in (0, 7, CODED - 1, CODED + 1, CODED + 4):
            group, place = divmod(number, CODED)
            (alone,) = sampler.encode(levels[number : number + 1], None)
            images = len(together[group]) // math.prod(shape)
            assert (together[group][place::images] == alone).all(), number
            assert len({*alone[:, 0].tolist()}) > 5
    finally:
        torch.set_num_threads(before)


def test_samples_do_not_depend_on_batches_and_threads(monkeypatch):
    model = build("plain", (1, 5, 6), levels=6, dtype=torch.float32)
    sampler, noise = model.compiled(), torch.rand(37, 1, 5, 6)
    assert sampler is not None
    whole = sampler.draw(noise, None)
    for threads in (2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert torch.equal(whole, sampler.draw(noise, None))
    parts = torch.cat([sampler.draw(part, None) for part in noise.split(9)])
    assert torch.equal(whole, parts)
    assert sampler.draw(noise[:0], None).shape == (0, 1, 5, 6)
    turned = sampler.draw(noise.flip(0), None)
    assert torch.equal(whole, turned.flip(0))


# -- which models it serves -----------------------------------------------------------------------


class Other(nn.Module):
    """A causal network with a layer that no record says."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, front: object = None, labels: Tensor | None = None) -> Tensor:
        return F.softplus(self.network(x, front, labels))


def test_what_it_does_not_serve_is_drawn_by_pytorch(monkeypatch):
    model = build("plain", (1, 4, 5), levels=4)
    reference = drawn(model)
    with monkeypatch.context() as patch:
        patch.setenv("GENARIUM_FAST", "0")
        assert model.compiled() is None
        assert torch.equal(drawn(model), reference)
        patch.delenv("GENARIUM_FAST")
        patch.setitem(sys.modules, "numba", None)
        assert model.compiled() is None
        assert torch.equal(drawn(model), reference)
    mixture = build("plain", (1, 4, 5), "logistics", levels=4)
    assert mixture.compiled() is not None
    assert mixture.compiled(0.5) is None
    assert drawn(mixture, temperature=0.5).shape == (4, 1, 4, 5)
    half = build("plain", (1, 4, 5), levels=4, dtype=torch.bfloat16)
    assert half.compiled() is None
    model.network = Other(model.network)
    assert model.compiled() is None
    assert torch.equal(drawn(model), drawn(model, naive=True))


def test_a_label_that_there_is_not_is_an_error():
    """The kernel reads where a label says, without looking."""
    model = build("plain", (1, 4, 5), levels=4, conditional=True)
    for label in (3, -1):
        with pytest.raises(IndexError, match="labels from 0 to 2"):
            drawn(model, 2, condition=torch.tensor([0, label]))


def test_without_a_folder_it_is_compiled_anew(monkeypatch, tmp_path):
    from genarium.models.autoregressive.fast import walk

    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GENARIUM_CACHE", str(tmp_path / "file"))
    enabled: list[str] = []
    monkeypatch.setattr(walk.kernel.walk, "enable_caching", lambda: enabled.append("once"))
    assert walk.compiled.__wrapped__() is walk.kernel.walk
    assert not enabled
    monkeypatch.setenv("GENARIUM_CACHE", str(tmp_path))
    walk.compiled.__wrapped__()
    assert enabled == ["once"]


def test_progress_is_told_in_the_thread_that_asked(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    model, calls = build("plain", (1, 5, 6), levels=4), []
    drawn(model, 9, progress=lambda done, of: calls.append((done, of, threading.get_ident())))
    assert calls == [(n, 15, threading.get_ident()) for n in range(1, 16)]

    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drawn(model, 9, progress=stop)


# -- coding ---------------------------------------------------------------------------------------


@every_architecture
@every_head
@pytest.mark.parametrize("shape", [(1, 6, 5), (3, 3, 4)], ids=["grey", "colour"])
def test_what_is_coded_comes_back(net, head, shape):
    model = build(net, shape, head, levels=16, dtype=torch.float32)
    assert_comes_back(model, images_of(model, CODED + 3))


@every_head
def test_what_a_level_costs_is_its_probability(head):
    model = build("gated", (1, 4, 5), head, levels=9)
    levels = torch.randint(9, (3, 1, 4, 5), generator=torch.Generator().manual_seed(0))
    sampler = model.compiled()
    assert sampler is not None
    (coded,) = sampler.encode(levels, None)
    outputs = model.network(model._embed(levels), None, None).permute(2, 3, 0, 1).flatten(0, 2)
    chances = model.head.probabilities(outputs)
    order = levels.permute(2, 3, 0, 1).flatten()
    upto = F.pad(chances.cumsum(1), (1, 0)).gather(1, order[:, None])[:, 0]
    own = chances.gather(1, order[:, None])[:, 0]
    expected = torch.stack([upto, own], 1) * 2**PRECISION
    # Two units a level are set apart, so that each has a place.
    assert (torch.from_numpy(coded) - expected).abs().max() <= 2 * 9 + 1


def test_codes_say_which_walk_wrote_them(monkeypatch):
    model = build("plain", (1, 4, 5), levels=4, dtype=torch.float32, conditional=True)
    images = torch.randint(256, (3, 1, 4, 5), dtype=torch.uint8)
    labels = torch.tensor([0, 1, 2])
    compiled = compress(model, images, labels)
    assert torch.equal(decompress(model, compiled, labels), model.quantize(images))
    with pytest.raises(UserError, match="do not come back"):
        decompress(model, compiled, labels.flip(0))
    monkeypatch.setenv("GENARIUM_FAST", "0")
    by_pytorch = compress(model, images, labels)
    with pytest.raises(UserError, match=r"compiled sampler.*pip install 'genarium\[fast\]'"):
        decompress(model, compiled, labels)
    monkeypatch.delenv("GENARIUM_FAST")
    assert compiled[:8] != by_pytorch[:8]
    assert torch.equal(decompress(model, by_pytorch, labels), model.quantize(images))


def test_damaged_codes_are_refused():
    model = build("plain", (1, 4, 5), levels=4, dtype=torch.float32)
    images = torch.randint(256, (3, 1, 4, 5), dtype=torch.uint8)
    data = compress(model, images)
    changed = bytearray(data)
    changed[HEAD.size + 6] ^= 1
    for bad in (bytes(changed), data[: HEAD.size], data[:-4], data[: HEAD.size + 3]):
        with pytest.raises(UserError, match="do not come back"):
            decompress(model, bad)


@pytest.mark.parametrize("top", [4095, 65535])
def test_many_levels_come_back(top):
    """However unlikely."""
    from genarium.contract import Values

    values = Values("uint16", (0.0,), (float(top),))
    model = build(
        "plain", (2, 2, 3), "logistics", levels=top + 1, dtype=torch.float32, values=values
    )
    images = torch.randint(top + 1, (2, 2, 2, 3)).to(torch.uint16)
    images[0, 0, 0, :2] = torch.tensor([0, top]).to(torch.uint16)
    assert torch.equal(decompress(model, compress(model, images)).to(torch.uint16), images)
