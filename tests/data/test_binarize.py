"""Static binarization: one fixed draw for every model, named in the policy and the manifest."""

import numpy as np
import pytest

from genarium import data
from genarium.data import DataOptions
from genarium.data.api import collect
from genarium.data.collection import Collection, Part, binarize, bits, complete, fingerprint
from genarium.errors import UserError


def grey(level: int, n: int = 40) -> Collection:
    """Images of one grey, but for a number of each image's own in the first row."""

    def part(seed: int) -> Part:
        images = np.full((n, 1, 16, 16), level, np.uint8)
        images[:, 0, 0, 0], images[:, 0, 0, 1] = seed, np.arange(n)
        return Part(images)

    return complete(Collection({"train": part(1), "validation": part(2), "test": part(3)}))


def test_pixels_are_black_or_white_with_their_grey_level_as_probability():
    result = binarize(grey(64)).parts["train"].images
    assert set(np.unique(result)) == {0, 255}
    assert result.mean() / 255 == pytest.approx(64 / 255, abs=4 * 0.43 / result.size**0.5)


@pytest.mark.parametrize("level", [0, 255])
def test_black_stays_black_and_white_white(level):
    result = binarize(grey(level)).parts["test"].images
    assert (result[:, 0, 1:] == level).all()


def test_the_draw_is_fixed_and_splits_and_images_have_their_own():
    first, second = binarize(grey(128)), binarize(grey(128))
    train, test = first.parts["train"].images, first.parts["test"].images
    assert (train == second.parts["train"].images).all()
    assert (train != test).mean() > 0.4
    assert (train[0] != train[1]).mean() > 0.3


def test_an_image_gets_the_same_bits_wherever_it_lies():
    whole = grey(128)
    result = binarize(whole).parts["train"].images
    images = whole.parts["train"].images
    assert (bits(images[5:6]) == result[5:6]).all()
    assert (bits(images[::-1]) == result[::-1]).all()


def test_the_bits_of_earlier_versions_come_with_their_manifest():
    """They were drawn by place: a run that was trained on them goes on with them."""
    static = DataOptions(binarize="static")
    by_content = data.load("digits", static)
    policy = {k: v for k, v in by_content.info["policy"].items() if k != "draw"}
    plain = collect("digits", DataOptions())[1]
    old = fingerprint({"identity": plain.identity, "policy": policy})
    again = data.load("digits", static, expected=old)
    assert again.manifest == old != by_content.manifest
    images = data.load("digits").test.images.numpy()
    # as `bits` did: blocks of 1,000 images from one generator of the split's number
    draw = np.random.Generator(np.random.PCG64([0, 2])).random(images.shape)
    assert (again.test.images.numpy() == np.where(draw * 255.0 < images, 255, 0)).all()
    assert (again.test.images != by_content.test.images).any()
    assert data.load("digits", static, expected="0" * 64).manifest == by_content.manifest


def test_the_option_reaches_spec_manifest_and_policy():
    plain, static = (data.load("digits", DataOptions(binarize=b)) for b in (None, "static"))
    assert plain.spec.binarized == ""
    assert static.spec.binarized == "static"
    assert plain.manifest != static.manifest
    assert static.info["policy"]["binarize"] == "static"
    assert set(static.train.images.unique().tolist()) == {0, 255}
    assert plain.train.images.unique().numel() > 2
    with pytest.raises(UserError, match="--binarize"):
        DataOptions(binarize="once")  # type: ignore[arg-type]


def test_the_spec_knows_the_attributes_and_the_vectors_of_the_data():
    from genarium.data.dataset import to_dataset
    from genarium.runs.folder import spec_from_dict, spec_to_dict

    shapes = data.load("shapes:n=24").spec
    assert [a.name for a in shapes.attributes][:3] == ["shape", "colour", "size"]
    assert shapes.attributes[0].values[0] == "circle"
    assert shapes.attributes[2].values == ()
    collection = grey(3)
    for part in collection.parts.values():
        part.extra["caption"] = np.zeros((len(part), 7), np.float32)
        part.extra["number"] = np.zeros(len(part), np.float32)
    spec = to_dataset(collection, "x", "0").spec
    assert spec.vectors == (("caption", 7),)
    for known in (shapes, spec):
        assert spec_from_dict(spec_to_dict(known)) == known
    import json

    assert spec_from_dict(json.loads(json.dumps(spec_to_dict(shapes)))) == shapes
