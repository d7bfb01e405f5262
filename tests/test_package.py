"""The package as an index shows it: addresses, pictures and links of the README."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
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
    flow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    assert flow[True] == {"push": {"tags": ["v*"]}}  # YAML reads `on` as a truth value
    for job in flow["jobs"].values():
        for step in job["steps"]:
            for script in re.findall(r"\b\w+/\w+\.py\b", step.get("run", "")):
                assert (ROOT / script).is_file(), script
    assert flow["jobs"]["publish"]["needs"] == "build"
