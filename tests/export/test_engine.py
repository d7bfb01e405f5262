"""The page's engine in a browser gives what PyTorch gives: every recipe in one page, both ways of
multiplying."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from genarium.exports import draws, page, wasm
from genarium.exports.program import program
from genarium.exports.record import record
from tests.export.models import NAMES, functions_of, row_of
from tests.export.test_graph import WITHOUT
from tests.study.browser import browser

SKIPPED = {"log_prob"}
"""Functions that no page has."""

HARNESS = """<!doctype html><meta charset="utf-8"><script>ENGINE</script><script>
const CASES = DATA;
function difference(a, b) {
  let worst = 0, most = 1;
  for (let i = 0; i < b.length; i++) {
    const off = Math.abs(a[i] - b[i]);
    if (!(off <= worst)) worst = off;
    most = Math.max(most, Math.abs(b[i]));
  }
  return a.length === b.length ? worst / most : NaN;
}
const floats = (text) => new Float32Array(fromBase64(text).buffer);
const module = fromBase64("WASM").buffer;
window.run = (simd) => CASES.map(({ name, program, weights, functions }) => {
  const engine = new Engine(program, fromBase64(weights).buffer, simd ? module : null);
  const found = {};
  for (const [f, { inputs, wanted }] of Object.entries(functions)) {
    const given = Object.fromEntries(Object.entries(inputs).map(([k, v]) => [k, floats(v)]));
    engine.run(f, given);  // what a first run leaves behind must not matter
    found[f] = difference(engine.run(f, given), floats(wanted));
  }
  return { name, simd: engine.products !== null, found };
});
</script>"""


def packed(values: object) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def case(name: str) -> dict[str, object]:
    every = functions_of(name)
    kept = {k: f for k, f in every.items() if k not in WITHOUT.get(name, set()) | SKIPPED}
    graphs = {k: record(f.call, f.inputs) for k, f in kept.items()}
    # in single precision: what is looked for are wrong numbers, not rounded ones
    written, weights = program(graphs, half=False)
    functions = {}
    for key, function in kept.items():
        row = row_of(function, 3)
        with torch.no_grad():
            wanted = function.call(*row.values())[0].numpy()
        inputs = {k: packed(v[0].to(torch.float32).numpy()) for k, v in row.items()}
        functions[key] = {"inputs": inputs, "wanted": packed(wanted)}
    text = base64.b64encode(weights).decode()
    return {"name": name, "program": written, "weights": text, "functions": functions}


def test_every_recipe_in_a_browser(tmp_path: Path) -> None:
    with browser() as running:  # skips before anything is computed
        cases = [case(name) for name in NAMES]
        text = HARNESS.replace("ENGINE", page.script()).replace("DATA", json.dumps(cases))
        text = text.replace("WASM", base64.b64encode(wasm.module()).decode())
        (tmp_path / "all.html").write_text(text)
        opened = running.new_page()
        opened.goto((tmp_path / "all.html").as_uri())
        for simd in (True, False):
            found = opened.evaluate("(simd) => run(simd)", simd)
            assert [entry["name"] for entry in found] == [*NAMES]
            assert all(entry["simd"] == simd for entry in found), "this Chromium has SIMD"
            wrong = {
                (entry["name"], key): difference
                for entry in found
                for key, difference in entry["found"].items()
                if not (difference is not None and difference < 1e-3)
            }
            assert not wrong


def test_the_generator_is_threefry() -> None:
    """The known answers of Random123 for 20 rounds of Threefry-2x32."""
    known = {
        (0, 0, 0): (0x6B200159, 0x99BA4EFE),
        (2**64 - 1, 2**32 - 1, 2**32 - 1): (0x1CB996FC, 0xBB002BE7),
        (0x03707344_13198A2E, 0x243F6A88, 0x85A308D3): (0xC4923A9C, 0x483DF7A0),
    }
    for (seed, first, second), words in known.items():
        assert tuple(map(int, draws.threefry(seed, first, second))) == words


def test_normal_is_the_inverse_of_the_normal_distribution() -> None:
    u = np.array([2.0**-54, 1e-12, 1e-4, 0.02425, 0.075, 0.3, 0.5, 0.7, 0.999, 1 - 1e-9])
    wanted = torch.special.ndtri(torch.from_numpy(u)).numpy()
    assert np.allclose(draws.normal(u), wanted, rtol=1e-12, atol=1e-13)


def test_draws_belong_to_seed_and_sample() -> None:
    some = draws.noise(7, 0, 40, 500)
    assert abs(some.mean()) < 0.03
    assert abs(some.std() - 1) < 0.03
    assert np.array_equal(draws.noise(7, 30, 10, 500), some[30:])
    assert not np.array_equal(draws.noise(8, 0, 40, 500), some)


@pytest.mark.parametrize("value", [0, 1, 63, 64, 127, 128, 300, -1, -64, -65, 2**31 - 1])
def test_numbers_of_a_module_are_leb128(value: int) -> None:
    result, shift = 0, 0
    encoded = wasm.signed(value)
    for byte in encoded:
        result |= (byte & 127) << shift
        shift += 7
    if encoded[-1] & 64:
        result -= 1 << shift
    assert result == value
    if value >= 0:
        assert sum((b & 127) << 7 * i for i, b in enumerate(wasm.unsigned(value))) == value
