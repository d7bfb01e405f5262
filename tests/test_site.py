"""What the documentation site is made of; `make docs` builds it and checks each link."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site() -> Iterator[object]:
    sys.path.insert(0, str(ROOT / "tools" / "site"))
    import build

    yield build
    sys.path.remove(str(ROOT / "tools" / "site"))


def test_every_experiment_stands_under_one_topic(site) -> None:
    """A new one that nobody has placed yet under the last."""
    known = site.theory.results(ROOT)
    named = [name for topic in site.theory.placed(ROOT) for name in topic.experiments]
    assert sorted(named) == sorted(known)
    page = site.theory.page(ROOT)
    assert page.count("**supported**") + page.count("**not supported**") + page.count(
        "**cannot tell**"
    ) == sum(len(result["criteria"]) for result in known.values())
    for topic in site.theory.TOPICS:
        assert (ROOT / "docs" / topic.page).is_file()
        for file in topic.code:
            assert (ROOT / file).is_file(), file


def test_every_page_of_docs_is_in_the_list(site) -> None:
    pages = {f"docs/{file.stem}" for file in (ROOT / "docs").glob("*.md")}
    text = site.index(pages | {"docs/new"})
    assert all(name in text for name in pages)
    assert text.rindex("docs/new") > text.rindex(":caption: Further")


def test_the_gallery_has_pictures_with_their_captions(site) -> None:
    text = "# T\n\n![alt](images/a.png)\n\n*What it\nshows.*\n\n![other](images/b.png)\n\nText.\n"
    made = site.gallery({"docs/t": text, "README": text})
    assert "![alt](docs/images/a.png)\n\nWhat it shows. ([T](docs/t.md))" in made
    assert "![other](docs/images/b.png)\n\nother ([T](docs/t.md))" in made
    assert made.count("![") == 2


def test_links_lead_to_pages_and_code_is_shown(site, tmp_path: Path) -> None:
    code: set[str] = set()
    text = "[a](vae.md#x) [b](../src/genarium/extras.py) ![c](images/demo.png) `[d](e)`\n"
    made = site._linked(text, "docs", {"docs/vae"}, code, tmp_path)
    assert "[a](vae.md#x) [b](../code/src/genarium/extras.py.md)" in made
    assert code == {"src/genarium/extras.py"}
    lesson = site._linked("[a](../notebooks/vae.ipynb)", "docs", {"notebooks/vae"}, code, tmp_path)
    assert lesson == "[a](../notebooks/vae.md)"
    assert (tmp_path / "docs/images/demo.png").is_file()
    with pytest.raises(SystemExit, match=r"nowhere\.md leads nowhere"):
        site._linked("[a](nowhere.md)", "docs", set(), set(), tmp_path)


def test_the_sources_can_be_written(site, tmp_path: Path) -> None:
    """Every link of every page leads somewhere, those of captions in the gallery too."""
    site.stage(tmp_path / "source")
    text = (tmp_path / "source" / "gallery.md").read_text(encoding="utf-8")
    assert "](docs/comparison.md)" in text
    assert "](comparison.md)" not in text
    library = (tmp_path / "source" / "reference" / "library.md").read_text(encoding="utf-8")
    assert "resume(path, *, data=None," in library
    assert "Annotated[" not in library
    assert "ForwardRef" not in library
    fences = re.findall(r"^```python\n(.*?)^```", library, re.DOTALL | re.MULTILINE)
    assert max(len(line) for text in fences for line in text.splitlines()) <= 88


def test_what_is_broken_in_built_pages_is_seen(site, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="top">x</h1><a href="#top">1</a><a href="#no">2</a><a href="b.html#y">3</a>'
        '<img src="p.png"><a href="https://example.org/x">4</a>'
    )
    (tmp_path / "b.html").write_text('<p id="y"></p>')
    assert site.broken(tmp_path) == [
        "a.html: #no has no such anchor",
        "a.html: p.png is not there",
    ]


def test_the_reference_is_of_the_program(site) -> None:
    from genarium import recipes

    text = site.reference.of_recipes()
    for name in recipes.catalogue():
        assert f"\n## {name}\n" in text
    assert "| `latent` | `--latent` |" in text


def test_a_notebook_is_a_page_with_formulas_and_links_of_the_site(site) -> None:
    made = site.lessons.text("[b](vae.ipynb): $x^2 =\ny$ and\n\n$$\nz\n$$\n")
    assert made == "[b](vae.md): {math}`x^2 = y` and\n\n```{math}\nz\n```\n"
    pages = site.lessons.pages()
    assert pages["notebooks/vae"].startswith("# Variational autoencoders\n\n{download}`vae.ipynb`")
    assert "%pip install" in pages["notebooks/vae"]
    text = site.index({*pages, "docs/notebooks"})
    assert ":caption: Further" not in text
    assert text.index("notebooks/first_hour") < text.index("notebooks/vae")
