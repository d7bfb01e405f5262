"""Runs sent to and loaded from a hub on this machine, and all that can go wrong there."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml

import genarium
from genarium.cli import main
from genarium.errors import UserError
from genarium.hub import address as addresses
from genarium.runs.trained import Trained

hf = pytest.importorskip("huggingface_hub")
constants = importlib.import_module("huggingface_hub.constants")
ROOT = Path(__file__).parents[2]
REPOSITORY = "someone/vae-shapes"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("local_hub", ROOT / "tools" / "local_hub.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["local_hub"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("runs") / "mine"
    options = {"data": "shapes:n=300", "size": "16", "channels": 1, "width": 4, "batch": 8}
    return genarium.train("vae", steps=2, ema=0.9, device="cpu", out=folder, **options)


@pytest.fixture
def hub(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """An empty hub that the client of this process uses, as the user `someone`."""
    with tool.LocalHub(tmp_path / "hub") as hub:
        for name, value in hub.environment("someone").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.chdir(tmp_path)
        yield hub


def error_of(name: str) -> str:
    with pytest.raises(UserError) as caught:
        genarium.load(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_comes_back_as_it_was(run: Trained, hub, tmp_path: Path) -> None:
    pushed = genarium.push(run, REPOSITORY)
    assert set(pushed.files) == {
        "README.md",
        "config.yaml",
        "metrics.jsonl",
        "run.json",
        *(
            f"checkpoints/00000002/{n}"
            for n in ("MANIFEST.json", "model.safetensors", "state.json")
        ),
        *(["samples/samples.png"] if any(run.folder.samples.glob("*.png")) else []),
    }
    again = genarium.load(pushed.address)
    assert again.name == "vae-shapes"
    assert again.capabilities == run.capabilities
    assert torch.equal(again.sample(5, seed=3), run.sample(5, seed=3))
    assert {k: v for k, v in again.config.items() if k != "data"} == {
        k: v for k, v in run.config.items() if k != "data"
    }
    # a second time nothing is asked for: a commit cannot change
    hub.requests.clear()
    assert genarium.load(pushed.address).step == 2
    assert hub.requests == []
    # and every verb takes the name; results go beside, not into the Hub's cache
    before = {*(tmp_path / "cache").rglob("*")}
    assert main(["sample", pushed.address, "-n", "4", "--device", "cpu"]) == 0
    assert (tmp_path / "vae-shapes" / "samples.png").is_file()
    assert main(["reconstruct", pushed.address, "-n", "4", "--device", "cpu"]) == 0
    assert {*(tmp_path / "cache").rglob("*")} == before


def test_half_precision_is_half_the_bytes(run: Trained, hub) -> None:
    whole = genarium.push(run, REPOSITORY).files["checkpoints/00000002/model.safetensors"]
    pushed = genarium.push(run, REPOSITORY, half=True)
    assert pushed.files["checkpoints/00000002/model.safetensors"] < 0.7 * whole
    wanted, made = (each.model.state_dict() for each in (run, genarium.load(pushed.address)))
    for name, value in wanted.items():
        assert made[name].dtype == value.dtype
        narrow = value.half().to(value.dtype) if value.dim() > 1 else value
        assert torch.equal(made[name], narrow), name


def test_the_card_says_what_each_score_is_of(run: Trained, hub, tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    genarium.evaluate(run, n=20, metrics="fid,recall", extractor="pixels").save(scores)
    genarium.push(run, REPOSITORY, scores=str(scores), license="cc-by-4.0")
    text = (genarium.load(f"hf://{REPOSITORY}@main").path / "README.md").read_text()
    card = hf.ModelCard(text)
    assert card.data.library_name == "genarium"
    assert card.data.license == "cc-by-4.0"
    assert card.data.pipeline_tag == "unconditional-image-generation"
    assert "vae" in card.data.tags
    results = card.data.eval_results
    known = {row["name"]: row for row in json.loads(scores.read_text())["rows"]}
    assert {result.metric_name for result in results} == {*known}
    fid = next(result for result in results if result.metric_name.startswith("FID"))
    assert fid.metric_type == "fid"
    assert fid.metric_value == known[fid.metric_name]["value"]
    assert fid.metric_args["interval_95"] == known[fid.metric_name]["interval"]
    assert {**fid.metric_args, **known[fid.metric_name]["basis"]} == fid.metric_args
    assert fid.dataset_revision == run.about["data"]["manifest"][:12]
    assert "| FID" in text
    assert "None was stated" not in text
    other = json.loads(scores.read_text()) | {"run": str(tmp_path)}
    scores.write_text(json.dumps(other))
    with pytest.raises(UserError, match=r"scores .* is of .*, not of"):
        genarium.push(run, REPOSITORY, scores=str(scores))
    scores.write_text("[]")
    with pytest.raises(UserError, match="holds no scores of a run"):
        genarium.push(run, REPOSITORY, scores=str(scores))


def test_no_path_of_this_machine_is_sent(run: Trained, tmp_path: Path) -> None:
    from genarium.hub.push import stage, without_paths

    assert without_paths("pairs:a=/home/me/masks,b=/home/me/x/photos") == "pairs:a=masks,b=photos"
    assert without_paths({"a": ["/data/cells", "https://x.org/y", "a/b"], "n": 3}) == {
        "a": ["cells", "https://x.org/y", "a/b"],
        "n": 3,
    }
    stage(run, tmp_path, addresses.Address("a", "b"))
    for file in tmp_path.rglob("*"):
        if file.suffix in (".json", ".yaml", ".md"):
            assert str(run.path.parent) not in file.read_text()
            assert str(Path.cwd()) not in file.read_text()
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["data"]["from_dir"] is None


def test_training_cannot_go_on_from_the_hub(run: Trained, hub) -> None:
    pushed = genarium.push(run, REPOSITORY)
    folder = genarium.load(pushed.address).path
    with pytest.raises(UserError, match="training cannot go on"):
        genarium.resume(pushed.address, steps=4)
    assert main(["resume", pushed.address, "--steps", "4"]) == 2
    copied = _copied(folder)
    with pytest.raises(UserError, match="weights without optimizer state"):
        genarium.resume(copied, steps=4, device="cpu")


def _copied(folder: Path) -> Path:
    import shutil

    target = folder.parents[4] / "copied"
    shutil.copytree(folder, target)
    return target


def test_only_files_of_a_run_are_fetched(run: Trained, hub) -> None:
    pushed = genarium.push(run, REPOSITORY)
    commit = addresses.of(pushed.address).revision
    files = dict(hub.repository(REPOSITORY).read()["commits"][commit])
    for name in ("evil.py", "model.pt", "checkpoints/00000002/optim.bin", "big/file.safetensors"):
        files[name] = hub.keep(b"harm")
    more = hub.commit(REPOSITORY, files)
    folder = genarium.load(f"hf://{REPOSITORY}@{more}").path
    names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert names == {*pushed.files}


def test_a_revision_is_named(run: Trained, hub, tmp_path: Path) -> None:
    pushed = genarium.push(run, REPOSITORY)
    assert error_of(f"hf://{REPOSITORY}") == (
        f"hf://{REPOSITORY}: name a revision: {pushed.address} is the newest"
    )
    assert "has no revision v9: name a commit, tag or branch" in error_of(f"hf://{REPOSITORY}@v9")
    assert "has no revision" in error_of(f"hf://{REPOSITORY}@{'0' * 40}")
    with pytest.warns(UserWarning, match=f"{REPOSITORY}@main is {pushed.address} now"):
        assert genarium.load(f"hf://{REPOSITORY}@main").step == 2


def test_what_is_not_there_or_private_says_so(
    run: Trained, hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    remedy = "does not exist, or is private: check the name, or log in with `hf auth login`"
    assert remedy in error_of("hf://someone/nothing@main")
    pushed = genarium.push(run, REPOSITORY, private=True)
    assert genarium.load(pushed.address).step == 2
    monkeypatch.setenv("HF_TOKEN", "hub_another")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(Path("empty").resolve()))
    assert remedy in error_of(pushed.address)
    monkeypatch.delenv("HF_TOKEN")
    assert remedy in error_of(pushed.address)
    with pytest.raises(UserError, match=r"refused \(401\): the token may not do this: log in"):
        genarium.push(run, REPOSITORY)
    monkeypatch.setenv("HF_TOKEN", "hub_another")
    with pytest.raises(UserError, match=r"refused \(403\)"):
        genarium.push(run, REPOSITORY)


def test_a_repository_without_a_run_says_so(run: Trained, hub) -> None:
    genarium.push(run, REPOSITORY)
    commit = hub.commit(REPOSITORY, {"README.md": hub.keep(b"# x\n")})
    assert f"{REPOSITORY} holds no run of Genarium" in error_of(f"hf://{REPOSITORY}@{commit}")


def test_without_a_network_the_cache_serves(
    run: Trained, hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pushed = genarium.push(run, REPOSITORY)
    genarium.load(pushed.address)
    nobody = "http://127.0.0.1:1"  # a port that needs more than a test to be listened on
    monkeypatch.setenv("HF_ENDPOINT", nobody)
    assert genarium.load(pushed.address).step == 2
    message = error_of("hf://someone/else@main")
    assert f"{nobody} cannot be reached, and it is not in the cache" in message
    with pytest.raises(UserError, match="cannot be reached"):
        genarium.push(run, REPOSITORY)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert genarium.load(pushed.address).step == 2
    assert "HF_HUB_OFFLINE is set" in error_of("hf://someone/else@main")


@pytest.mark.parametrize("file", ["model.safetensors", "state.json", "MANIFEST.json"])
def test_a_damaged_download_is_fetched_again_and_then_refused(
    file: str, run: Trained, hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = genarium.push(run, REPOSITORY)
    hub.trouble = f"flip:{file}"
    message = error_of(pushed.address)
    assert "also after it was fetched again" in message
    assert "00000002" in message
    asked = [request for request in hub.requests if request.endswith(f"/{file}")]
    assert sum(request.startswith("GET") for request in asked) == 2
    hub.trouble = ""  # it was on the way, not there
    assert torch.equal(genarium.load(pushed.address).sample(3), run.sample(3))


def test_a_transfer_that_breaks_off_is_one_line(run: Trained, hub) -> None:
    pushed = genarium.push(run, REPOSITORY)
    hub.trouble = "short:model.safetensors"
    assert "try again" in error_of(pushed.address)
    hub.trouble = ""
    assert genarium.load(pushed.address).step == 2


def test_a_damaged_description_is_refused(run: Trained, hub) -> None:
    pushed = genarium.push(run, REPOSITORY)
    hub.trouble = "flip:config.yaml"
    assert "config.yaml" in error_of(pushed.address)


def test_a_hub_in_trouble_is_one_line(
    run: Trained, hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.trouble = "status:418"
    assert main(["push", str(run.path), REPOSITORY]) == 1
    assert capsys.readouterr().err == (
        f"genarium: stopped: hf://{REPOSITORY}: the Hub says 418: try again later\n"
    )


def test_names_are_read_strictly(monkeypatch: pytest.MonkeyPatch, run: Trained) -> None:
    known = addresses.of(Path("hf://a/b@refs/x"))
    assert known == addresses.Address("a", "b", "refs/x")
    assert str(known) == "hf://a/b@refs/x"
    assert addresses.of("runs/vae") is None
    for wrong in ("hf://", "hf://a", "hf://a/b@", "hf://a/b/c", "hf://../b@main", "hf://a/b@../x"):
        assert "name a run of the Hub as hf://OWNER/NAME@REVISION" in error_of(wrong)
    for wrong in ("a", "a/b/c", "a/b@c", "hf://a/b", "../b"):
        with pytest.raises(UserError, match="name the repository as OWNER/NAME"):
            genarium.push(run, wrong)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "needs huggingface-hub: pip install 'genarium[hub]'" in error_of("hf://a/b@c")
    with pytest.raises(UserError, match=r"pip install 'genarium\[hub\]'"):
        genarium.push(run, "a/b")
