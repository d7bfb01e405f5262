"""Text encoders: padding, order, and a sentence encoder against its definition in float64."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from genarium.contract import Spec
from genarium.data import text
from genarium.data.download import Official
from genarium.errors import UserError
from genarium.models.text_to_image.encoders import (
    CharacterEncoder,
    FrozenEncoder,
    SubwordEncoder,
    TextEncoder,
    pieces,
)
from genarium.models.text_to_image.minilm import HEAD, Bert, SentenceEncoder, minilm
from genarium.models.text_to_image.text_to_image import text_to_image


def rows_of(*captions: str, length: int = 48) -> Tensor:
    return torch.from_numpy(np.stack([text.row(caption, length) for caption in captions]))


# ------------------------------------------------------------------------ encoders that learn


@pytest.mark.parametrize(
    "make", [lambda: CharacterEncoder(12, width=8), lambda: SubwordEncoder(12)]
)
def test_padding_and_neighbours_change_no_embedding(make: Callable[[], TextEncoder]) -> None:
    torch.manual_seed(0)
    encoder = make()
    captions = ["a", "a small red circle", "ein grüner Würfel", ""]
    short, long = (encoder(rows_of(*captions, length=n)) for n in (31, 64))
    torch.testing.assert_close(short, long)
    for number, caption in enumerate(captions):  # alone, and with no padding at all
        exact = encoder(rows_of(caption, length=max(1, len(caption.encode()))))
        torch.testing.assert_close(exact, short[number : number + 1])
    assert bool(short.isfinite().all())
    torch.testing.assert_close(short.mean(1), torch.zeros(4), atol=1e-5, rtol=0)


def test_the_order_of_words_counts() -> None:
    torch.manual_seed(0)
    encoder = CharacterEncoder(12, width=8)
    one, other = encoder(rows_of("a red cat on a blue mat", "a blue cat on a red mat"))
    assert not torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("kind", [CharacterEncoder, SubwordEncoder])
def test_the_arithmetic_is_fp32_under_autocast(kind: type[TextEncoder]) -> None:
    torch.manual_seed(0)
    encoder, rows = kind(12), rows_of("a red cat")  # type: ignore[call-arg]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = encoder(rows)
    assert torch.equal(result, encoder(rows))


def test_the_pieces_of_a_word() -> None:
    runs = [b"<re", b"red", b"ed>", b"<red", b"red>"]
    assert pieces(b"red  a") == [[b"<red>", *runs], [b"<a>"]]
    assert pieces(b"") == []
    assert pieces("Grün RED".encode()) == pieces("grün red".encode())
    sizes = [len(piece) for piece in pieces(b"triangle")[0]]
    assert sizes == [10, *[3] * 8, *[4] * 7, *[5] * 6, *[6] * 5]


def test_subwords_are_the_formula() -> None:
    torch.manual_seed(0)
    encoder = SubwordEncoder(6, rows=50)
    total = torch.zeros(6)
    for word in pieces("a grüner hat".encode()):
        for piece in word:
            row = encoder.table.weight[zlib.crc32(piece) % 50]
            total = total + row / math.sqrt(len(word))
    expected = functional.layer_norm(total, (6,))
    torch.testing.assert_close(encoder(rows_of("a grüner hat"))[0], expected)
    # every row at its own place, of captions of different lengths, also from memory
    both = rows_of("hat", "a grüner hat", "")
    for result in (encoder(both), encoder(both)):
        torch.testing.assert_close(result[1], expected)
        torch.testing.assert_close(result[:1], encoder(rows_of("hat")))
        assert not result[2].any()


def test_subwords_hold_words_apart_and_stems_together() -> None:
    torch.manual_seed(0)
    captions = ["a red star", "a red cross", "a red stars", "red a star"]
    star, cross, stars, turned = functional.normalize(
        SubwordEncoder(512)(rows_of(*captions)), dim=1
    )
    assert star @ stars > star @ cross + 0.1
    torch.testing.assert_close(star, turned)  # the order is not read


# ------------------------------------------------------------------------ frozen encoders


class Counting(TextEncoder):
    outputs = 2

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def forward(self, rows: Tensor) -> Tensor:
        self.seen += [text.text_of(row) for row in rows.tolist()]
        return rows[:, :2].float()


def test_a_frozen_encoder_reads_each_caption_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Counting()
    encoder = FrozenEncoder(network, b"", "")
    first = encoder(rows_of("ab", "cd", "ab"))
    assert torch.equal(first, encoder(rows_of("ab", "cd", "ab", length=64)))
    encoder(rows_of("ef", "cd").float())
    assert sorted(network.seen) == ["ab", "cd", "ef"]
    monkeypatch.setattr("genarium.models.text_to_image.encoders.KEPT", 3)
    assert encoder(rows_of("gh", "ab")).tolist() == [[*b"gh"], [*b"ab"]]
    assert len(encoder._known) == 2


# ------------------------------------------------------------------------ the sentence encoder


def naive(state: dict[str, Tensor], tokens: list[int], depth: int) -> np.ndarray:
    """The embedding of one text by loops over heads and tokens, in float64."""
    w = {k: v.double().numpy() for k, v in state.items()}

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    e = "embeddings"
    x = w[f"{e}.word_embeddings.weight"][tokens]
    x = x + w[f"{e}.position_embeddings.weight"][: len(tokens)]
    x = norm(x + w[f"{e}.token_type_embeddings.weight"][0], f"{e}.LayerNorm")
    erf = np.vectorize(math.erf)
    for layer in range(depth):
        p = f"encoder.layer.{layer}"
        q, k, v = (dense(x, f"{p}.attention.self.{name}") for name in ("query", "key", "value"))
        mixed = np.zeros_like(x)
        for start in range(0, x.shape[1], HEAD):
            part = slice(start, start + HEAD)
            for i in range(len(tokens)):
                scores = np.exp(k[:, part] @ q[i, part] / math.sqrt(HEAD))
                mixed[i, part] = scores / scores.sum() @ v[:, part]
        x = norm(x + dense(mixed, f"{p}.attention.output.dense"), f"{p}.attention.output.LayerNorm")
        inner = dense(x, f"{p}.intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = norm(x + dense(inner, f"{p}.output.dense"), f"{p}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def random_bert() -> Bert:
    torch.manual_seed(0)
    network = Bert(words=40, positions=16, width=64, hidden=96, depth=2).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.3)
    return network


def test_bert_is_its_definition_layer_by_layer() -> None:
    network = random_bert()
    texts = [[1, 5, 9, 2], [1, 39, 2], [1, 7, 7, 8, 30, 31, 2]]
    tokens, inside = torch.zeros(3, 7, dtype=torch.int64), torch.zeros(3, 7, dtype=torch.bool)
    for number, text_ in enumerate(texts):
        tokens[number, : len(text_)] = torch.tensor(text_)
        inside[number, : len(text_)] = True
    with torch.no_grad():
        result = network(tokens, inside).double().numpy()
    for row, text_ in zip(result, texts, strict=True):
        np.testing.assert_allclose(row, naive(network.state_dict(), text_, 2), atol=2e-6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny BERT with the files of the Hub's snapshot."""
    tokenizers = pytest.importorskip("tokenizers")
    words = ["[PAD]", "[UNK]", "a", "red", "circle", "blue"]
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, "[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    state = dict(random_bert().state_dict())
    unused = {"pooler.dense.bias": torch.zeros(3), "embeddings.position_ids": torch.zeros(1, 16)}
    save_file({**state, **unused}, tmp_path / "model.safetensors")
    return tmp_path


def test_the_files_of_a_snapshot_are_read(folder: Path) -> None:
    encoder = minilm(str(folder))
    assert encoder.outputs == 64
    result = encoder(rows_of("a red circle", "a blue"))
    state = random_bert().state_dict()
    for row, tokens in zip(result, ([2, 3, 4], [2, 5]), strict=True):
        np.testing.assert_allclose(row.numpy(), naive(state, tokens, 2), atol=2e-6)
    assert isinstance(encoder.network, SentenceEncoder)


def test_a_model_stores_no_frozen_weights_and_knows_them_again(folder: Path) -> None:
    spec = Spec(1, 16, 16, caption_bytes=48)
    arguments = {"encoder": "minilm", "weights": str(folder), "width": 2, "latent": 2}
    model = text_to_image(spec, **arguments).eval()
    assert not [key for key in model.state_dict() if "encoder" in key]
    rows = rows_of("a red circle")
    before = model.sample(1, condition=rows, generator=torch.Generator().manual_seed(0))
    assert before.shape == (1, 1, 16, 16)
    other = {k: v + 1 for k, v in random_bert().state_dict().items()}
    save_file(other, folder / "model.safetensors")
    again = text_to_image(spec, **arguments)
    again.load_state_dict(model.state_dict())
    with pytest.raises(UserError, match=r"other weights than those this run was trained with"):
        again.sample(1, condition=rows)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), r"no readable tokenizer\.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("<html>"), "no readable tokenizer"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no such file"),
        (
            lambda folder: save_file({"x": torch.ones(1)}, folder / "model.safetensors"),
            "not a BERT",
        ),
    ],
)
def test_other_files_are_refused_in_one_line(folder: Path, spoil: object, words: str) -> None:
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(UserError, match=words) as raised:
        minilm(str(folder))
    assert "\n" not in str(raised.value)


def test_hub_downloads_both_files_once_and_checks_them(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENARIUM_CACHE", str(tmp_path_factory.mktemp("cache")))
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    monkeypatch.setattr(handler.func, "log_message", lambda *_: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    files = []
    for name in ("model.safetensors", "tokenizer.json"):
        content = (folder / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        files.append(Official(name.partition(".")[0], name, digest, len(content)))
    monkeypatch.setattr(
        "genarium.models.text_to_image.minilm.HUB", f"http://127.0.0.1:{server.server_port}/"
    )
    monkeypatch.setattr("genarium.models.text_to_image.minilm.FILES", tuple(files))
    first = minilm("hub")(rows_of("a red circle"))
    server.shutdown()
    server.server_close()
    assert torch.equal(first, minilm("hub")(rows_of("a red circle")))  # from the cache
    wrong = tuple(replace(file, sha256="0" * 64) for file in files)
    monkeypatch.setattr("genarium.models.text_to_image.minilm.FILES", wrong)
    with pytest.raises(UserError, match=r"name their folder with --weights DIR"):
        minilm("hub")


def test_without_weights_the_remedy_is_named() -> None:
    pytest.importorskip("tokenizers")
    with pytest.raises(UserError, match=r"add --weights DIR, or --weights hub"):
        minilm("")
