"""The products of the page as a WebAssembly module, four numbers at a time, written byte by byte.

    gemm(M, N, K, A, lda, B, ldb, C, ldc)    C[M,N] += A[M,K]·B[K,N]
    gemv(M, K, W, x, y)                      y[M] += W[M,K]·x[K]

Addresses and row lengths in bytes, float32, rows packed within. A browser without SIMD refuses the
module, and the page's JavaScript does the same, four to ten times slower.

The product goes in tiles of 4 rows by 8 columns: 8 sums of four numbers stay in registers while k
runs, so each number that is loaded is used 4 or 8 times. The binary format is that of the
WebAssembly core specification 2.0, chapter 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

I32, F32, V128 = 0x7F, 0x7D, 0x7B
ROWS, COLUMNS, UNROLLED = 4, 8, 4


def unsigned(value: int) -> bytes:
    """LEB128."""
    result = bytearray()
    while True:
        value, low = value >> 7, value & 127
        result.append(low | (128 if value else 0))
        if not value:
            return bytes(result)


def signed(value: int) -> bytes:
    result = bytearray()
    while True:
        low, value = value & 127, value >> 7
        done = (value == 0 and not low & 64) or (value == -1 and low & 64)
        result.append(low | (0 if done else 128))
        if done:
            return bytes(result)


class Code:
    """The body of a function: its instructions, and its locals by name."""

    def __init__(self, parameters: Sequence[str]):
        self.names = {name: number for number, name in enumerate(parameters)}
        self.parameters = len(parameters)
        self.kinds: list[int] = []
        self.bytes = bytearray()

    def local(self, name: str, kind: int = I32) -> str:
        if name not in self.names:
            self.names[name] = self.parameters + len(self.kinds)
            self.kinds.append(kind)
        return name

    def put(self, *values: int | bytes) -> None:
        for value in values:
            self.bytes += bytes([value]) if isinstance(value, int) else value

    def get(self, *names: str) -> None:
        for name in names:
            self.put(0x20, unsigned(self.names[name]))

    def set(self, name: str) -> None:
        self.put(0x21, unsigned(self.names[name]))

    def const(self, value: int) -> None:
        self.put(0x41, signed(value))

    def simd(self, opcode: int) -> None:
        self.put(0xFD, unsigned(opcode))

    def load(self, kind: str, offset: int = 0) -> None:
        """From the address on the stack: "vector", "splat" or "number"."""
        if kind == "number":
            self.put(0x2A)
        else:
            self.simd(0x00 if kind == "vector" else 0x09)
        self.put(2, unsigned(offset))

    def store(self, kind: str, offset: int = 0) -> None:
        if kind == "number":
            self.put(0x38)
        else:
            self.simd(0x0B)
        self.put(2, unsigned(offset))

    def add(self, name: str, other: str | int) -> None:
        """name += other."""
        self.get(name)
        self.get(other) if isinstance(other, str) else self.const(other)
        self.put(0x6A)
        self.set(name)

    def product(self, kind: str) -> None:
        """sum + a·b of what lies on the stack: sum, a, b."""
        if kind == "number":
            self.put(0x94, 0x92)
        else:
            self.simd(0xE6)
            self.simd(0xE4)

    def while_room(self, name: str, step: int, limit: str) -> _Loop:
        """A loop while name + step <= limit; the body moves `name` on."""
        return _Loop(self, name, step, limit)

    def finished(self) -> bytes:
        kinds = b"".join(unsigned(1) + bytes([kind]) for kind in self.kinds)
        body = unsigned(len(self.kinds)) + kinds + bytes(self.bytes) + b"\x0b"
        return unsigned(len(body)) + body


class _Loop:
    def __init__(self, code: Code, name: str, step: int, limit: str):
        self.code, self.name, self.step, self.limit = code, name, step, limit

    def __enter__(self) -> None:
        self.code.put(0x02, 0x40, 0x03, 0x40)  # block, loop
        self.code.get(self.name)
        self.code.const(self.step)
        self.code.put(0x6A)
        self.code.get(self.limit)
        self.code.put(0x4A, 0x0D, 1)  # greater: leave the block

    def __exit__(self, *_: object) -> None:
        self.code.put(0x0C, 0, 0x0B, 0x0B)  # again; end of loop and block


def _tile(code: Code, rows: int, width: int) -> None:
    """C[i:i+rows, j:j+width] += A[i:i+rows]·B[:, j:j+width]; width 8, 4 or 1."""
    kind = "number" if width == 1 else "vector"
    vectors = max(1, width // 4)
    held = F32 if width == 1 else V128
    sums = [[code.local(f"{kind}{r}{v}", held) for v in range(vectors)] for r in range(rows)]
    for r in range(rows):  # the rows of A, and of C
        for pointer, start, length in (("pa", "A", "lda"), ("pc", "C", "ldc")):
            name = code.local(f"{pointer}{r}")
            if r:
                code.get(f"{pointer}{r - 1}", length)
            else:
                code.get(start, "i", length)
                code.put(0x6C)
            code.put(0x6A)
            code.set(name)
        for name in (f"pc{r}",):
            code.get(name, "j")
            code.const(2)
            code.put(0x74, 0x6A)
            code.set(f"at{r}" if f"at{r}" in code.names else code.local(f"at{r}"))
        for v in range(vectors):
            code.get(f"at{r}")
            code.load(kind, 16 * v)
            code.set(sums[r][v])
    code.get("B", "j")
    code.const(2)
    code.put(0x74, 0x6A)
    code.set(code.local("pb"))
    code.const(0)
    code.set(code.local("k"))
    operands = [code.local(f"b{kind}{v}", held) for v in range(vectors)]
    factor = code.local(f"a{kind}", held)
    for unrolled in (UNROLLED, 1):
        with code.while_room("k", unrolled, "K"):
            for step in range(unrolled):
                for v in range(vectors):
                    code.get("pb")
                    code.load(kind, 16 * v)
                    code.set(operands[v])
                for r in range(rows):
                    code.get(f"pa{r}")
                    code.load("number" if width == 1 else "splat", 4 * step)
                    code.set(factor)
                    for v in range(vectors):
                        code.get(sums[r][v], factor, operands[v])
                        code.product(kind)
                        code.set(sums[r][v])
                code.add("pb", "ldb")
            for r in range(rows):
                code.add(f"pa{r}", 4 * unrolled)
            code.add("k", unrolled)
    for r in range(rows):
        for v in range(vectors):
            code.get(f"at{r}", sums[r][v])
            code.store(kind, 16 * v)


def _gemm() -> bytes:
    code = Code(("M", "N", "K", "A", "lda", "B", "ldb", "C", "ldc"))
    code.local("i")
    code.local("j")
    for width in (COLUMNS, 4, 1):
        with code.while_room("j", width, "N"):
            code.const(0)
            code.set("i")
            for rows in (ROWS, 1):
                with code.while_room("i", rows, "M"):
                    _tile(code, rows, width)
                    code.add("i", rows)
            code.add("j", width)
    return code.finished()


def _gemv() -> bytes:
    code = Code(("M", "K", "W", "x", "y"))
    sums = [code.local(f"sum{n}", V128) for n in range(4)]
    for name in ("i", "k", "px"):
        code.local(name)
    total = code.local("total", F32)
    with code.while_room("i", 1, "M"):
        code.get("y")
        code.load("number")
        code.set(total)
        for name in sums:
            code.simd(0x0C)
            code.put(bytes(16))
            code.set(name)
        code.get("x")
        code.set("px")
        code.const(0)
        code.set("k")
        for unrolled in (4, 1):
            with code.while_room("k", 4 * unrolled, "K"):
                for n in range(unrolled):
                    code.get(sums[n], "W")
                    code.load("vector", 16 * n)
                    code.get("px")
                    code.load("vector", 16 * n)
                    code.product("vector")
                    code.set(sums[n])
                code.add("W", 16 * unrolled)
                code.add("px", 16 * unrolled)
                code.add("k", 4 * unrolled)
        with code.while_room("k", 1, "K"):
            code.get(total, "W")
            code.load("number")
            code.get("px")
            code.load("number")
            code.product("number")
            code.set(total)
            for name in ("W", "px"):
                code.add(name, 4)
            code.add("k", 1)
        code.get(*sums)
        for _ in range(3):
            code.simd(0xE4)
        code.set(sums[0])
        code.get("y", total)
        for lane in range(4):
            code.get(sums[0])
            code.simd(0x1F)
            code.put(lane, 0x92)
        code.store("number")
        code.add("y", 4)
        code.add("i", 1)
    return code.finished()


def _vector(items: Sequence[bytes]) -> bytes:
    return unsigned(len(items)) + b"".join(items)


def _name(text: str) -> bytes:
    return unsigned(len(text)) + text.encode()


def _section(number: int, content: bytes) -> bytes:
    return bytes([number]) + unsigned(len(content)) + content


@lru_cache(maxsize=1)
def module() -> bytes:
    """The module; it takes its memory as the import `env.memory`."""
    types = [b"\x60" + _vector([bytes([I32])] * count) + b"\x00" for count in (9, 5)]
    memory = _name("env") + _name("memory") + b"\x02\x00\x01"  # at least one page
    exports = [_name(name) + b"\x00" + unsigned(n) for n, name in enumerate(("gemm", "gemv"))]
    return b"".join(
        [
            b"\x00asm\x01\x00\x00\x00",
            _section(1, _vector(types)),
            _section(2, _vector([memory])),
            _section(3, _vector([unsigned(0), unsigned(1)])),
            _section(7, _vector(exports)),
            _section(10, _vector([_gemm(), _gemv()])),
        ]
    )
