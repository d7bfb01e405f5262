"""Text encoders: a caption as bytes in, a vector out, behind one small interface.

B captions · T bytes of a row, zeros after the end · E numbers of an embedding · W width
"""

from __future__ import annotations

import zlib

import torch
from torch import Tensor, nn
from torch.nn import functional

POOL = 2  # positions that a maximum joins, after each convolution
KEPT = 200_000  # captions whose embedding a frozen encoder keeps


class TextEncoder(nn.Module):
    """Rows of bytes [B,T] (see `genarium.data.text`) -> embeddings [B,E].

    outputs: E. An embedding depends on its own row alone, not on the padding behind it. Encoders
    that learn are sub-modules of a model; one that does not is kept beside it, so that its weights
    are neither trained nor stored with every checkpoint.
    """

    outputs: int

    def forward(self, rows: Tensor) -> Tensor:
        raise NotImplementedError


class CharacterEncoder(TextEncoder):
    """A convolutional recurrent network over characters (Reed, Akata, Lee & Schiele 2016).

    Bytes are embedded, two convolutions of 5 with ReLU see neighbourhoods, each followed by a
    maximum over pairs, and a GRU reads what is left; its states are averaged over the text:

        e = layer norm(W · mean_{t ≤ length} GRU(conv(bytes))_t)

    The paper's alphabet is 70 characters and its network three convolutions of up to 256 channels
    on 201 characters; bytes take any language, and captions here are short. The last norm (without
    weights) fixes the scale of an embedding while it is still being learned. An empty caption is
    read as one zero. The arithmetic is fp32 also under autocast: it costs little, and a recurrence
    adds rounding up.

    outputs: E. width: W, of the bytes' embedding; the convolutions and the GRU have 2·W channels.
    """

    def __init__(self, outputs: int = 128, width: int = 32):
        super().__init__()
        self.outputs = outputs
        self.bytes = nn.Embedding(256, width)
        self.first = nn.Conv1d(width, 2 * width, 5, padding=2)
        self.second = nn.Conv1d(2 * width, 2 * width, 5, padding=2)
        self.reader = nn.GRU(2 * width, 2 * width, batch_first=True)
        self.project = nn.Linear(2 * width, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        with torch.autocast(rows.device.type, enabled=False):
            return self._encode(rows.long())

    def _encode(self, rows: Tensor) -> Tensor:
        # The mask after each layer keeps the padding out: a row's zeros are as no row's zeros.
        inside = (rows != 0).float()
        inside[:, 0] = 1.0
        x = (self.bytes(rows) * inside[:, :, None]).transpose(1, 2)  # [B,W,T]
        for layer in (self.first, self.second):
            x = functional.relu(layer(x)) * inside[:, None]
            # of non-negative values, so that what is padded never wins
            x = functional.max_pool1d(x, POOL, ceil_mode=True)
            inside = functional.max_pool1d(inside[:, None], POOL, ceil_mode=True)[:, 0]
        states, _ = self.reader(x.transpose(1, 2))
        mean = (states * inside[:, :, None]).sum(1) / inside.sum(1, keepdim=True)
        return functional.layer_norm(self.project(mean), (self.outputs,))


def texts_of(rows: Tensor) -> list[bytes]:
    """The captions of rows of bytes [B,T] on any device, without the padding."""
    return [bytes(row).rstrip(b"\0") for row in rows.to("cpu", torch.uint8).numpy()]


def pieces(text: bytes, shortest: int = 3, longest: int = 6) -> list[list[bytes]]:
    """For each word its pieces: the word between < and >, and of that every run of 3 to 6 bytes.

    text: UTF-8. Capitals are read as small letters.
    """
    results = []
    for word in text.decode(errors="replace").lower().encode().split():
        marked = b"<" + word + b">"
        runs = [
            marked[start : start + size]
            for size in range(shortest, min(longest, len(marked) - 1) + 1)
            for start in range(len(marked) - size + 1)
        ]
        results.append([marked, *runs])
    return results


class SubwordEncoder(TextEncoder):
    """A sum of vectors that belong to the words and to their pieces (fastText; Bojanowski et al.
    2017, Joulin et al. 2016).

        e = layer norm(Σ_words Σ_{p in pieces(word)} t_{hash(p)} / √(pieces of the word))

    Every t starts as N(0, 1), so different words are far apart from the first step, each word
    weighs the same, and words with a common stem lie close. Neither capitals nor the order of words
    are read: where captions differ in nothing else, take the characters' encoder. The hash is
    CRC-32 modulo the table's rows; pieces that share one share its vector.

    outputs: E. rows: of the table.
    """

    def __init__(self, outputs: int = 128, rows: int = 8192):
        super().__init__()
        self.outputs = outputs
        self.table = nn.EmbeddingBag(rows, outputs, mode="sum")
        self._known: dict[bytes, tuple[Tensor, Tensor]] = {}

    def forward(self, rows: Tensor) -> Tensor:
        results = [self._pieces(text) for text in texts_of(rows)]
        places = torch.tensor([0, *(len(numbers) for numbers, _ in results)])[:-1].cumsum(0)
        numbers = torch.cat([numbers for numbers, _ in results]).to(rows.device)
        weights = torch.cat([weights for _, weights in results]).to(rows.device)
        with torch.autocast(rows.device.type, enabled=False):
            total = self.table(numbers, places.to(rows.device), weights)
            return functional.layer_norm(total, (self.outputs,))

    def _pieces(self, text: bytes) -> tuple[Tensor, Tensor]:
        """The rows of the table that belong to a caption, [n] int64, and their weights [n]."""
        if text not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            words = pieces(text)
            rows = [zlib.crc32(p) % self.table.num_embeddings for word in words for p in word]
            weights = [len(word) ** -0.5 for word in words for _ in word]
            self._known[text] = (torch.tensor(rows, dtype=torch.int64), torch.tensor(weights))
        return self._known[text]


class FrozenEncoder:
    """An encoder that stays as it is: no part of a model's weights, each caption encoded once.

    network: on the CPU. digest: SHA-256 of its weights, 32 bytes; name: where they are, for errors.
    An embedding is kept for every distinct caption seen, the latest `KEPT`.
    """

    def __init__(self, network: TextEncoder, digest: bytes, name: str):
        self.network = network.eval().requires_grad_(False)
        self.outputs = network.outputs
        self.digest, self.name = digest, name
        self._known: dict[bytes, Tensor] = {}

    @torch.no_grad()
    def __call__(self, rows: Tensor) -> Tensor:
        """Rows of bytes [B,T] -> embeddings [B,E], on the rows' device."""
        table = rows.to("cpu", torch.uint8)
        keys = texts_of(table)
        new = {key: number for number, key in enumerate(keys) if key not in self._known}
        if new:
            if len(self._known) + len(new) > KEPT:
                self._known.clear()
                new = {key: number for number, key in enumerate(keys)}
            result = self.network(table[list(new.values())]).float()
            self._known.update(zip(new, result))
        return torch.stack([self._known[key] for key in keys]).to(rows.device)
