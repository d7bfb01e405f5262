"""The sentence encoder all-MiniLM-L6-v2 as a plain PyTorch module, with its own weights' files.

BERT (Devlin et al. 2019) of 6 layers, 384 wide, in 12 heads; the embedding of a text is the mean of
its tokens' last states, brought to length 1 (Reimers & Gurevych 2019):

    x <- norm(x + attention(x)),   x <- norm(x + W₂·gelu(W₁·x)),   e = mean(x) / ‖mean(x)‖

The state has the key names of the Transformers library, so `model.safetensors` of
sentence-transformers/all-MiniLM-L6-v2 on the Hub fits as it is; so do the files of any BERT with
heads of 32 numbers, whose sizes are read off the tensors. `tokenizer.json` lies beside it and is
read by the package `tokenizers` (extra `text`).

B texts · L tokens · D width
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genarium import extras
from genarium.data import DataOptions, cache, pretrained
from genarium.data.download import Official, fetch
from genarium.data.text import text_of
from genarium.errors import UserError
from genarium.models.text_to_image.encoders import FrozenEncoder, TextEncoder

HEAD = 32  # numbers of an attention head
EPSILON = 1e-12
TOKENS = 128  # of a text; the model was trained on no longer ones
UNUSED = re.compile(r"pooler\.|embeddings\.position_ids$")
HUB = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main/"
FILES = (
    Official(
        "minilm",
        "model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        90_868_376,
    ),
    Official(
        "tokenizer",
        "tokenizer.json",
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        466_247,
    ),
)


def _normed(inputs: int, outputs: int) -> nn.ModuleDict:
    """A dense layer and the norm of its sum with what was there, under the library's names."""
    return nn.ModuleDict(
        {"dense": nn.Linear(inputs, outputs), "LayerNorm": nn.LayerNorm(outputs, eps=EPSILON)}
    )


def _added(x: Tensor, inner: Tensor, layers: nn.ModuleDict) -> Tensor:
    result: Tensor = layers["LayerNorm"](x + layers["dense"](inner))
    return result


class Layer(nn.Module):
    """One layer, [B,L,D] -> [B,L,D]; `inside` [B,L] is true for tokens that are no padding."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        names = ("query", "key", "value")
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict({name: nn.Linear(width, width) for name in names}),
                "output": _normed(width, width),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, hidden)})
        self.output = _normed(hidden, width)

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        attention: Any = self.attention
        q, k, v = (
            attention["self"][name](x).unflatten(-1, (-1, HEAD)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=inside[:, None, None])
        x = _added(x, mixed.transpose(1, 2).flatten(2), attention["output"])
        return _added(x, F.gelu(self.intermediate["dense"](x)), self.output)


class Bert(nn.Module):
    """Tokens [B,L] int64 and `inside` [B,L] bool -> embeddings [B,D] of length 1."""

    def __init__(self, words: int, positions: int, width: int, hidden: int, depth: int):
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(words, width),
                "position_embeddings": nn.Embedding(positions, width),
                "token_type_embeddings": nn.Embedding(2, width),
                "LayerNorm": nn.LayerNorm(width, eps=EPSILON),
            }
        )
        layers = nn.ModuleList([Layer(width, hidden) for _ in range(depth)])
        self.encoder = nn.ModuleDict({"layer": layers})
        self.outputs = width

    def forward(self, tokens: Tensor, inside: Tensor) -> Tensor:
        table: Any = self.embeddings
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = table["word_embeddings"](tokens) + table["position_embeddings"](places)
        x = table["LayerNorm"](x + table["token_type_embeddings"].weight[0])
        layers: Any = self.encoder["layer"]
        for layer in layers:
            x = layer(x, inside)
        weight = inside[:, :, None].to(x)
        return F.normalize((x * weight).sum(1) / weight.sum(1), dim=1)


def sized(tensors: Mapping[str, Tensor], path: Path) -> Bert:
    """An empty network of the sizes that the tensors have."""
    words = tensors.get("embeddings.word_embeddings.weight", torch.empty(0))
    places = tensors.get("embeddings.position_embeddings.weight", torch.empty(0))
    inner = tensors.get("encoder.layer.0.intermediate.dense.weight", torch.empty(0))
    depth = {m[1] for k in tensors if (m := re.match(r"encoder\.layer\.(\d+)\.", k))}
    if not words.ndim == places.ndim == inner.ndim == 2 or words.shape[1] % HEAD:
        raise UserError(
            f"--weights {path}: not a BERT of the Transformers library (no embeddings or no "
            "encoder.layer); see docs/text.md"
        )
    return Bert(len(words), len(places), words.shape[1], len(inner), len(depth))


class SentenceEncoder(TextEncoder):
    """Rows of bytes -> embeddings of a `Bert`, through the tokens of a `tokenizers.Tokenizer`."""

    def __init__(self, network: Bert, tokenizer: Any):
        super().__init__()
        self.network, self.outputs = network, network.outputs
        self.tokenizer = tokenizer
        self.tokenizer.enable_truncation(TOKENS)
        self.tokenizer.enable_padding()

    def forward(self, rows: Tensor) -> Tensor:
        result = self.tokenizer.encode_batch([text_of(row) for row in rows.tolist()])
        tokens = torch.tensor([each.ids for each in result], device=rows.device)
        inside = torch.tensor([each.attention_mask for each in result], device=rows.device)
        embedded: Tensor = self.network(tokens, inside.bool())
        return embedded


def _folder(weights: str) -> Path:
    """The folder with both files: as named, or the cache's, downloaded once ("hub")."""
    if not weights:
        raise UserError(
            "--encoder minilm: needs the weights of the network: add --weights DIR, or --weights "
            "hub to download them (91 MB); see docs/text.md"
        )
    if weights != "hub":
        return pretrained.locate(weights).parent
    root = cache.root(DataOptions())
    folder = root / "weights" / FILES[0].sha256[:12]
    for file in FILES:
        otherwise = "download the files by other means and name their folder with --weights DIR"
        fetch(file, (HUB,), folder, root, True, otherwise=otherwise)
    return folder


def minilm(weights: str) -> FrozenEncoder:
    """The encoder of a folder with `model.safetensors` and `tokenizer.json`, or "hub".

    Raises UserError without weights, without the package `tokenizers`, or for other files.
    """
    extras.expect("text", "--encoder minilm")
    from tokenizers import Tokenizer

    folder = _folder(weights)
    path = folder / pretrained.IN_FOLDER
    tensors = {k: v for k, v in pretrained.read(path).items() if not UNUSED.match(k)}
    network = sized(tensors, path)
    pretrained.fit(network, tensors, path)
    tokenizer = folder / FILES[1].name
    try:
        content = json.dumps(json.loads(tokenizer.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise UserError(
            f"--weights {weights}: no readable {tokenizer.name} beside the weights: put it there"
        ) from None
    digest = hashlib.sha256(path.read_bytes()).digest()
    return FrozenEncoder(SentenceEncoder(network, Tokenizer.from_str(content)), digest, weights)
