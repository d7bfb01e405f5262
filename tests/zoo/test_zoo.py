"""The zoo: its catalogue, its files, and runs by the name zoo:NAME in every verb."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors import safe_open

import genarium
from genarium.api.zoo import Shown
from genarium.cli import main
from genarium.errors import UserError
from genarium.hub import address as addresses
from genarium.training import checkpoint as checkpoints
from genarium.zoo import catalogue, files

ROOT = Path(__file__).parents[2]
IMAGES = {"mnist": 55_000}  # that are trained on, of data that entries count epochs of
LARGEST = 25_000_000  # bytes of the repository
ENTRIES = catalogue.catalogue().entries
NAME = next(name for name, entry in ENTRIES.items() if entry.shipped and entry.recipe == "vae")
ENTRY = ENTRIES[NAME]
KINDS = {".json", ".yaml", ".jsonl", ".md", ".png", ".safetensors"}


def tool(name: str) -> ModuleType:
    """A file of tools/, as a module."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what is in the package, which is not in the package now; an empty cache."""
    place = tmp_path / "place"
    shutil.copytree(files.PACKAGE / NAME, place / NAME)
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "no-package")
    monkeypatch.setenv("GENARIUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return place


def error_of(name: str, place: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        genarium.load(name) if place is None else genarium.fetch_zoo(name, from_place=place)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))


def weights_of(folder: Path) -> Path:
    (file,) = (folder / "checkpoints").glob("*/model.safetensors")
    return file


# ------------------------------------------------------------------------- what is there


def test_every_file_is_in_the_catalogue_and_is_as_it_says() -> None:
    homes = {True: files.PACKAGE, False: files.CHECKOUT}
    for shipped, home in homes.items():
        names = {path.name for path in home.iterdir() if path.is_dir()} if home.is_dir() else set()
        assert names == {name for name, entry in ENTRIES.items() if entry.shipped == shipped}
    for entry in ENTRIES.values():
        home = files.own(entry)
        there = {str(f.relative_to(home)) for f in home.rglob("*") if f.is_file()}
        assert there == {*entry.files}
        assert files.wrong(home, entry.files) == ""
        assert {Path(name).suffix for name in there} <= KINDS
        assert sum((home / name).stat().st_size for name in there) == entry.size
        for name in there - {name for name in there if name.endswith((".png", ".safetensors"))}:
            text = (home / name).read_text(encoding="utf-8")
            assert "/work" not in text
            assert "/tmp" not in text
    assert sum(entry.size for entry in ENTRIES.values()) < LARGEST


def test_histories_are_thinned_rows_stay_as_they_were_written(tmp_path: Path) -> None:
    zoo, file = tool("zoo"), tmp_path / "metrics.jsonl"
    rows = [{"step": n, "crc32": n * 7} for n in range(1, 1002)]
    rows += [{"step": n, "event": "reading"} for n in range(100, 300)]
    lines = [json.dumps(row) + "\n" for row in sorted(rows, key=lambda row: row["step"])]
    file.write_text("".join(lines))
    zoo.thin(file)
    kept = file.read_text().splitlines(keepends=True)
    assert [line for line in lines if line in {*kept}] == kept, "whole rows, in their order"
    plain = [row["step"] for row in map(json.loads, kept) if "event" not in row]
    assert (len(plain), plain[0], plain[-1]) == (zoo.ROWS, 1, 1001)
    assert {b - a for a, b in itertools.pairwise(plain)} == {5, 6}
    assert len(kept) == zoo.ROWS + 200
    zoo.thin(file)
    assert file.read_text() == "".join(kept)
    for entry in ENTRIES.values():
        text = (files.own(entry) / "metrics.jsonl").read_text(encoding="utf-8")
        steps = [row["step"] for row in map(json.loads, text.splitlines()) if "losses" in row]
        assert len(steps) <= zoo.ROWS
        assert (steps[0] <= 50, steps[-1]) == (True, entry.step)


def test_the_page_has_the_table_of_the_catalogue() -> None:
    zoo = tool("zoo")
    text = zoo.PAGE.read_text(encoding="utf-8")
    assert zoo.with_table(text, [*ENTRIES.values()]) == text
    assert zoo.with_table(text, [ENTRY]) != text or len(ENTRIES) == 1
    for data in {entry.data for entry in ENTRIES.values()}:
        assert (zoo.PICTURES / f"zoo-{data}.png").is_file()
        assert f"(images/zoo-{data}.png)" in text


def test_an_entry_is_what_its_command_makes() -> None:
    """The configuration in the folder has the settings that the command names."""
    for entry in ENTRIES.values():
        config = genarium.load(f"zoo:{entry.name}", device="cpu").config
        assert config["recipe"] == entry.recipe == entry.words[1]
        assert config["data"]["source"] == entry.data
        given = {**config["arguments"], **config["training"], **config["data"]}
        words = entry.words[2:]
        for flag, value in zip(words[::2], words[1::2], strict=True):
            if flag != "--data":
                kept = given[flag.strip("-").replace("-", "_")]
                assert str(kept) == value or float(kept) == float(value)
        budget = config["training"]
        images = entry.step * budget["batch"]
        assert entry.step == budget["steps"] or images == budget["epochs"] * IMAGES[entry.data]


# ---------------------------------------------------------------------- seen and used


def test_the_list_has_a_row_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "list"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["name", "family", "data"]
    assert [row.split()[0] for row in rows] == [*ENTRIES]
    for row, entry in zip(rows, ENTRIES.values(), strict=True):
        low, high = entry.headline["interval"]
        assert f"{entry.headline['value']:.3g} ({low:.3g} to {high:.3g})" in row
        assert "to fetch" not in row
    assert main(["zoo", "list", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == [*ENTRIES]


def test_show_says_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "show", f"zoo:{NAME}"]) == 0
    text = capsys.readouterr().out
    for said in (
        *(ENTRY.command, ENTRY.data_licence, ENTRY.licence, ENTRY.attribution[:40]),
        *(f'genarium.load("zoo:{NAME}")', f"genarium sample zoo:{NAME}", ENTRY.machine),
        *(row["name"] for row in ENTRY.scores),
        ENTRY.context["extractor"]["hash"],
    ):
        assert said in text
    assert genarium.show_zoo(NAME).to_dict()["bytes"] == ENTRY.size


def test_show_says_where_the_weights_are(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "to be fetched once" in genarium.show_zoo(NAME).text()
    assert genarium.show_zoo(NAME).to_dict()["here"] is False
    genarium.fetch_zoo(NAME, from_place=str(elsewhere.parent / "place"))
    assert "in the cache" in genarium.show_zoo(NAME).text()
    monkeypatch.setattr(files, "PACKAGE", elsewhere)
    assert "in the package" in genarium.show_zoo(NAME).text()
    shown = [genarium.show_zoo(name) for name, entry in ENTRIES.items() if not entry.shipped]
    assert all("in this copy of the source" in each.text() for each in shown)


def test_a_published_figure_stands_beside_ours() -> None:
    published = {"value": 86.76, "paper": "Burda et al. 2016", "epochs": 3280}
    entry = dataclasses.replace(ENTRY, published=published)
    text = Shown(entry, "in the package").text()
    assert f"{ENTRY.headline['name']} 86.76 after 3,280 epochs, Burda et al. 2016" in text
    plain = dataclasses.replace(ENTRY, published={})
    assert "published" not in Shown(plain, "in the package").text()
    row = next(line for line in tool("zoo").table([entry]).splitlines() if NAME in line)
    assert " | 86.76 | " in row


def test_a_name_that_is_not_there_names_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = NAME.replace("digits", "digit")
    said = f"zoo:{wrong} is unknown: did you mean {NAME}? (all: `genarium zoo list`)"
    assert error_of(f"zoo:{wrong}") == said
    assert main(["zoo", "show", wrong]) == 2
    assert said in capsys.readouterr().err
    for malformed in ("zoo:", "zoo:../x", "zoo:a/b"):
        assert "name a run of the zoo as zoo:NAME" in error_of(malformed)
    assert addresses.of("zoology") is None


def test_the_name_stands_for_a_run_in_verbs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {*files.PACKAGE.rglob("*")}
    run = genarium.load(Path(f"zoo:{NAME}"), device="cpu")
    assert run.name == NAME
    assert run.step == ENTRY.step
    images = run.sample(4, seed=1)
    assert images.shape == (4, *ENTRY.shape)
    assert torch.equal(images, run.sample(4, seed=1))
    assert main(["sample", f"zoo:{NAME}", "-n", "4", "--device", "cpu"]) == 0
    assert (tmp_path / NAME / "samples.png").is_file()
    assert genarium.reconstruct(f"zoo:{NAME}", n=4, device="cpu").images.shape[0] == 4
    assert {*files.PACKAGE.rglob("*")} == before
    assert main(["resume", f"zoo:{NAME}", "--steps", "9999"]) == 2
    assert "training cannot go on" in capsys.readouterr().err


def test_the_studio_lists_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("genarium.web.guard.run", lambda *_: None)
    assert genarium.serve_studio([f"zoo:{NAME}"], port=0, device="cpu").runs == 1


# ------------------------------------------------------------------------ half precision


def test_matrices_are_packed_in_half_precision_and_loaded_in_single() -> None:
    half = next(entry for entry in ENTRIES.values() if entry.half and entry.shipped)
    with safe_open(weights_of(files.own(half)), "pt") as tensors:
        packed = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    kinds = {(value.dim() > 1, value.dtype) for value in packed.values()}
    assert (True, torch.float16) in kinds
    assert (True, torch.float32) not in kinds
    assert (False, torch.float16) not in kinds
    model = genarium.load(f"zoo:{half.name}", device="cpu").model
    for name, value in model.state_dict().items():
        assert value.dtype != torch.float16
        assert torch.equal(value, packed[name].to(value.dtype))
    single, narrow = half.precision["single"], half.precision["half"]
    low, high = half.headline["interval"]
    assert abs(single - narrow) < 0.1 * (high - low) / 2


def test_what_half_precision_cannot_hold_stays_as_it_is(tmp_path: Path) -> None:
    weights = {
        "kernel": torch.tensor([[1.0001, 2.0]]),
        "large": torch.tensor([[1.0, 70000.0]]),  # float16 ends at 65504
        "offset": torch.tensor([1.0001]),
        "counts": torch.tensor([[3]]),
    }
    place = checkpoints.save_weights(
        tmp_path, checkpoints.Checkpoint(2, weights, state={}), half=True
    )
    read = checkpoints.load(tmp_path, weights_only=True).model
    assert place.name == "00000002"
    assert read["kernel"].dtype == torch.float16
    for name in ("large", "offset", "counts"):
        assert torch.equal(read[name], weights[name])


# ---------------------------------------------------------------------------- fetching


def test_damaged_weights_are_refused(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flip(weights_of(elsewhere / NAME))
    monkeypatch.setattr(files, "PACKAGE", elsewhere)
    message = error_of(f"zoo:{NAME}")
    assert message.startswith(f"zoo:{NAME}: checkpoints/")
    assert "model.safetensors is damaged (its SHA-256 is not that of the catalogue)" in message
    weights_of(elsewhere / NAME).unlink()
    assert "model.safetensors is missing" in error_of(f"zoo:{NAME}")


def test_what_is_not_in_the_package_is_fetched_once_from_a_folder(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"`genarium zoo fetch {NAME} --from PLACE`" in error_of(f"zoo:{NAME}")
    assert "to fetch" in genarium.list_zoo().text()
    assert "zoo fetch" in genarium.show_zoo(NAME).text()
    assert "run.json is missing" not in error_of(NAME, str(elsewhere.parent / "nothing"))
    assert main(["zoo", "fetch", NAME, "--from", str(elsewhere), "--quiet"]) == 0
    assert f"zoo:{NAME} is here" in capsys.readouterr().out
    shutil.rmtree(elsewhere)
    assert genarium.load(f"zoo:{NAME}", device="cpu").sample(2).shape[0] == 2
    here = files.cached(ENTRY)
    assert {str(f.relative_to(here)) for f in here.rglob("*") if f.is_file()} == {*ENTRY.files}
    flip(weights_of(here))  # as if it were not there
    assert "--from PLACE" in error_of(f"zoo:{NAME}")


@pytest.fixture
def address(elsewhere: Path) -> Iterator[tuple[object, str]]:
    """A hub on this machine, and where in it the entry is."""
    with tool("local_hub").LocalHub(elsewhere.parent / "hub") as hub:
        empty = {"private": False, "owner": "someone", "commits": {}, "names": {}}
        hub.repository("someone/zoo").write(empty)
        sums = {
            f"{NAME}/{path}": hub.keep((elsewhere / NAME / path).read_bytes())
            for path in ENTRY.files
        }
        commit = hub.commit("someone/zoo", sums)
        yield hub, f"{hub.address}/someone/zoo/resolve/{commit}"


def test_it_is_fetched_from_an_address_and_then_needs_no_network(
    address: tuple[object, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, place = address
    assert genarium.fetch_zoo(NAME, from_place=place).size == ENTRY.size
    hub.requests.clear()
    run = genarium.load(f"zoo:{NAME}", device="cpu")
    assert hub.requests == []
    assert run.sample(2).shape[0] == 2


def test_a_place_that_sends_something_else_is_refused(address: tuple[object, str]) -> None:
    hub, place = address
    hub.trouble = "flip:model.safetensors"
    assert "SHA-256" in error_of(NAME, place)
    hub.trouble = "status:503"
    assert "name another place" in error_of(NAME, place)
    assert "--from PLACE" in error_of(f"zoo:{NAME}")
    hub.trouble = ""
    assert genarium.fetch_zoo(NAME, from_place=place).folder == files.cached(ENTRY)
