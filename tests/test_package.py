"""The package as an index shows it: addresses, pictures and links of the README."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
AT = "https://example.org/someone/genarium"


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def targets(text: str) -> list[str]:
    """What links and pictures name, but for places of the same page."""
    return re.findall(r"\]\(([^)#\s][^)\s]*)\)", text)


def test_places_of_the_same_page_are_there() -> None:
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    known = {re.sub(r"[^\w -]", "", words.lower()).replace(" ", "-") for words in headings}
    places = re.findall(r"\]\(#([^)\s]+)\)", README)
    assert len(places) > 1
    assert {*places} <= known


def test_with_an_address_each_link_of_the_readme_is_absolute_and_there(hook: ModuleType) -> None:
    text = hook.page(README, AT, "1.2.3")
    before, after = targets(README), targets(text)
    assert len(before) == len(after)
    relative = [name for name in before if not name.startswith("http")]
    assert len(relative) > 40
    for name in relative:
        assert (ROOT / name.partition("#")[0]).exists(), name
    moved = [name for name in after if name.startswith(AT)]
    assert {re.sub(rf"^{AT}/(raw|blob)/v1\.2\.3/", "", name) for name in moved} == {*relative}
    assert f"]({AT}/raw/v1.2.3/docs/images/demo.png)" in text
    assert all(name.startswith("https://") for name in after)


def test_without_an_address_nothing_points_anywhere(hook: ModuleType) -> None:
    text = hook.page(README, "", "1.2.3")
    assert all(name.startswith("https://") for name in targets(text))
    assert "![" not in text
    assert "docs/glossary.md" in text  # as text
    assert hook.page("a [b](c.md#d) e\n", "", "1") == "a b e\n"
    picture = "Above.\n\n![p](q.png)\n\n*What it\nshows.*\n\nBelow.\n"
    assert hook.page(picture, "", "1") == "Above.\n\nBelow.\n"


def test_metadata_is_filled_in_at_build_time(hook: ModuleType, tmp_path: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text("# X\n\n[a](b.md)\n")
    for address in ("", AT):
        (tmp_path / "pyproject.toml").write_text(
            re.sub(r"^repository = .*$", f'repository = "{address}"', text, flags=re.MULTILINE)
        )
        metadata = {"version": "0.9"}
        hook.Hook(str(tmp_path), {}).update(metadata)
        assert metadata["readme"]["content-type"] == "text/markdown"
        assert ("urls" in metadata) == bool(address)
        if address:
            assert metadata["readme"]["text"].endswith(f"[a]({AT}/blob/v0.9/b.md)\n")
            assert metadata["urls"]["Issues"] == f"{AT}/issues"


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["project"]["version"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(cited["version"]) == version
    assert [author["name"] for author in cited["authors"]] == [
        author["name"] for author in PROJECT["project"]["authors"]
    ]
    assert cited["license"] == PROJECT["project"]["license"]


def test_files_for_other_programs_are_whole() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make install"
    flows = {
        file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))
        for file in (ROOT / ".github/workflows").glob("*.yml")
    }
    release, check = flows["release"], flows["check"]
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML reads `on` as a truth value
    assert release["jobs"]["publish"]["needs"] == "build"
    steps = [
        (job, step)
        for flow in flows.values()
        for job in flow["jobs"].values()
        for step in job["steps"]
    ]
    for job, step in steps:
        for script in re.findall(r"(?<![\w/])[.\w]+/(?:\w+\.py|run)\b", step.get("run", "")):
            assert (ROOT / script).is_file(), script
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
        assert "secrets." not in json.dumps([job, step])
    assert all(flow["permissions"] == {"contents": "read"} for flow in flows.values())
    ran = " ".join(step.get("run", "") for job in check["jobs"].values() for step in job["steps"])
    for each in (".ci/run", "make docs", "tools/install_check.py", "--extras features,hub,onnx"):
        assert each in ran


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked; built without a network."""
    pytest.importorskip("hatchling")
    home = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(home)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = home.glob("*.whl")
    with zipfile.ZipFile(file) as content:
        content.extractall(home / "content")
    return home / "content"


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    def files(home: Path) -> set[str]:
        every = (file.relative_to(home) for file in home.rglob("*") if file.is_file())
        return {str(file) for file in every if file.suffix != ".pyc"}

    there = files(wheel)
    (about,) = {name.partition("/")[0] for name in there if ".dist-info/" in name}
    assert {name for name in there if not name.startswith(about)} == {
        f"genarium/{name}" for name in files(ROOT / "src" / "genarium")
    }
    for ending in (".xz", ".safetensors", ".html", ".js", ".css", ".json", ".png", ".typed"):
        assert any(name.startswith("genarium/") and name.endswith(ending) for name in there), ending
    for pattern in PROJECT["project"]["license-files"]:
        for file in ROOT.glob(pattern):
            assert f"{about}/licenses/{file.relative_to(ROOT)}" in there
    entry = (wheel / about / "entry_points.txt").read_text(encoding="utf-8")
    assert "genarium = genarium.cli:main" in entry


def test_the_wheel_alone_says_what_is_in_it(wheel: Path, tmp_path: Path) -> None:
    """The command from the wheel's files, of which each of the zoo is as its sum says."""
    script = f"""
import sys
sys.path.insert(0, {str(wheel)!r})
import genarium
from genarium.cli import main
from genarium.zoo import files
from genarium.zoo.catalogue import catalogue
assert genarium.__file__.startswith({str(wheel)!r})
assert main(["zoo", "list"]) == 0
for entry in catalogue().entries.values():
    assert not entry.shipped or files.wrong(files.own(entry), entry.files) == "", entry.name
sys.exit(main(["demo", "--help"]))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "vae-digits" in done.stdout
    assert "usage: genarium demo" in done.stdout
