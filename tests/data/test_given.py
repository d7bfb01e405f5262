"""Images that are there in Python, as a data set."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import TensorDataset

from genarium.data import DataOptions, from_arrays
from genarium.errors import UserError

from .written import alike, some

TYPES = ["uint8", "uint16", "float32"]


def every(dataset) -> np.ndarray:
    parts = (dataset.train, dataset.validation, dataset.test)
    return np.concatenate([part.images.numpy() for part in parts])


def labelled(dataset) -> bool:
    """Whether each label is the first value of its image, modulo 3."""
    return all(
        part.labels.tolist() == (part.images[:, 0, 0, 0].to(torch.int64) % 3).tolist()
        for part in (dataset.train, dataset.validation, dataset.test)
    )


def numbered(dtype, channels=1, n=30) -> tuple[np.ndarray, np.ndarray]:
    images = some(dtype, n=n, channels=channels)
    images[:, 0, 0, 0] = np.arange(n)
    return images, np.arange(n) % 3


class Items(TorchDataset):
    """A PyTorch data set that makes its items when they are asked for."""

    def __init__(self, images, labels=None, form="tuple"):
        self.images, self.labels, self.form, self.calls = images, labels, form, 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        self.calls += 1
        image = self.images[index]
        if self.form == "picture":
            image = Image.fromarray(image[0])
        elif self.form == "tensor":
            image = torch.from_numpy(image)
        if self.form == "dict":
            return {"image": image, "label": self.labels[index]}
        return image if self.labels is None else (image, int(self.labels[index]))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_arrays_and_tensors_come_back_to_the_bit(dtype, channels):
    images, labels = numbered(dtype, channels)
    for given in (images, images.transpose(0, 2, 3, 1), torch.from_numpy(images), list(images)):
        dataset = from_arrays(given, labels)
        assert alike(every(dataset), images)
        assert labelled(dataset)
        assert dataset.spec.classes == ("0", "1", "2")
    if channels == 1:
        assert alike(every(from_arrays(images[:, 0])), images)
        assert from_arrays(images).train.labels is None


@pytest.mark.parametrize("form", ["tuple", "tensor", "dict", "picture"])
@pytest.mark.parametrize("dtype", TYPES)
def test_sequences_are_read_an_item_at_a_time(form, dtype):
    images, labels = numbered(dtype)
    dataset = from_arrays(Items(images, labels, form))
    assert alike(every(dataset), images)
    assert labelled(dataset)
    without = from_arrays(Items(images))
    assert without.train.labels is None
    assert without.manifest != dataset.manifest


def test_torchs_own_data_set_and_labels_of_texts():
    images, labels = numbered("float32")
    dataset = from_arrays(TensorDataset(torch.from_numpy(images), torch.from_numpy(labels)))
    assert alike(every(dataset), images)
    assert labelled(dataset)
    named = from_arrays(images, np.array(["c", "a", "b"])[labels], classes=("red", "green", "blue"))
    assert named.spec.classes == ("red", "green", "blue")
    assert {named.spec.classes[n] for n in named.train.labels} == {"red", "green", "blue"}


def test_the_manifest_follows_from_the_content():
    images, labels = numbered("uint16")
    first = from_arrays(images, labels)
    assert first.manifest == from_arrays(images.copy(), labels.tolist()).manifest
    other = images.copy()
    other[0, 0, 1, 1] ^= 1
    assert first.manifest != from_arrays(other, labels).manifest
    assert first.manifest != from_arrays(images, (labels + 1) % 3).manifest
    lazily = from_arrays(Items(images, labels))
    assert sorted(lazily.train.images[:, 0, 0, 0].tolist()) == sorted(
        first.train.images[:, 0, 0, 0].tolist()
    )


def test_pictures_of_several_sizes_are_brought_to_one():
    pictures = [Image.fromarray(np.full((10 + n, 12), n, np.uint8)) for n in range(10)]
    dataset = from_arrays([*pictures, Image.new("RGB", (30, 30), "red")])
    assert dataset.spec.shape == (3, 8, 8)
    assert from_arrays(pictures, options=DataOptions(size="6x7")).spec.shape == (1, 6, 7)
    wide = [Image.fromarray(image[0]) for image in some("uint16")]
    assert alike(every(from_arrays(wide)), some("uint16"))


def test_a_mapped_array_goes_through_the_cache(tmp_path):
    images, labels = numbered("uint16")
    np.save(tmp_path / "a.npy", images)
    dataset = from_arrays(np.load(tmp_path / "a.npy", mmap_mode="r"), labels)
    assert alike(every(dataset), images)
    assert labelled(dataset)


def test_range_and_unit_are_said():
    images = some("uint16") >> 4
    dataset = from_arrays(images, full=(0, 4095), unit="counts")
    assert (dataset.spec.values.high, dataset.spec.values.unit) == ((4095.0,), "counts")


class Restless(Items):
    def __getitem__(self, index):
        self.calls += 1
        return self.images[index] + np.float32(self.calls)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((4, 5), np.uint8), "give [N,H,W]"),
        (np.array([{}, {}]), "Python objects"),
        ([], "there are none"),
        ([np.zeros((4, 4), np.uint8), "x"], "item 1: an item of type str"),
        ([np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.float32)], "several types"),
        (Items(np.zeros((0, 1, 4, 4))), "there are none"),
        (
            Items([np.zeros((1, 4, 4)), np.zeros((1, 5, 4))]),
            "item 1 is float32 [1, 5, 4], the first",
        ),
        (Items(["x"]), "an item of type str"),
        (np.full((4, 4, 4), np.nan), "not finite"),
        (np.zeros((4, 4, 4), complex), "complex128"),
        (Restless(some("float32")), "differs from one reading to the next"),
    ],
)
def test_what_cannot_be_meant_is_one_line(given, words):
    with pytest.raises(UserError) as caught:
        from_arrays(given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_that_do_not_fit():
    images, labels = numbered("uint8")
    for wrong, words in (
        (labels[:-1], "labels of shape [29] for 30 images"),
        (labels + 0.5, "no whole numbers"),
        (np.zeros((30, 2)), "give one whole number each"),
    ):
        with pytest.raises(UserError) as caught:
            from_arrays(images, wrong)
        assert words in str(caught.value)
    with pytest.raises(UserError, match="2 classes, the labels are 3"):
        from_arrays(images, labels, classes=("a", "b"))


def test_train_takes_them_and_knows_them_again(tmp_path):
    import genarium

    images, labels = numbered("uint16", n=40)
    images >>= 4
    out = tmp_path / "run"
    run = genarium.train(
        "vae", (images, labels), out=out, steps=2, batch=4, net="dense", size="8", threads=1
    )
    assert run.spec.shape == (1, 8, 8)
    again = genarium.load(out, data=(images, labels))
    assert again.dataset().manifest == run.dataset().manifest
    with pytest.raises(UserError, match="is not what"):
        genarium.load(out, data=(images[1:], labels[1:])).dataset()


@pytest.mark.parametrize(
    "full", [(0, float("nan")), (5, 5), (0, 1, 2), "ab", 7, (0, float("inf")), (0, 70000), (-1, 9)]
)
def test_a_stated_range_is_two_numbers_of_the_type(full):
    images, _ = numbered("uint16")
    with pytest.raises(UserError, match=r"full=|0 to 65535"):
        from_arrays(images, full=full)
    with pytest.raises(UserError, match="unit=3"):
        from_arrays(images, unit=3)


class Breaking(Items):
    def __getitem__(self, index):
        if index == 7:
            raise KeyError("no such\nslide")
        return super().__getitem__(index)


def test_what_an_item_raises_is_said_as_it_is(tmp_path):
    items = Breaking(*numbered("uint16"))
    with pytest.raises(UserError, match=r"item 7 raises KeyError \('no such"):
        from_arrays(items, options=DataOptions(cache=tmp_path))
