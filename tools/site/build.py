"""Build the documentation site: the pages of docs/, the notebooks, and what is generated.

    python tools/site/build.py                  # into build/site/html; `make docs` does it
    python tools/site/build.py --stage-only     # the sources, without Sphinx

The sources are laid out as the repository is, so that each relative link of a page is right on the
site too; a link to a file of code leads to a page that shows it. Warnings of Sphinx are errors, and
in what was built each local link, picture and anchor has to be there. No network is needed.
"""

from __future__ import annotations

import argparse
import posixpath
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import lessons  # noqa: E402
import reference  # noqa: E402
import theory  # noqa: E402

LINK = re.compile(r"(!?\[[^\]]*\]\()((?!https?:|#|mailto:)[^)\s#]+)(#[^)\s]*)?\)")
BLOCK = re.compile(r"^```.*?^```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
PICTURE = re.compile(r"!\[([^\]]*)\]\((images/[^)]+)\)\n+(?:\*([^*]+(?:\n[^*\n]+)*)\*\n)?")
LANGUAGES = {".py": "python", ".json": "json", ".yaml": "yaml", ".toml": "toml", ".css": "css"}

SECTIONS = (
    ("First steps", ("README", "docs/pictures", "docs/training", "theory", "gallery")),
    (
        "Notebooks",
        ("docs/notebooks", *(f"notebooks/{path.stem}" for path in lessons.notebooks.sources())),
    ),
    (
        "How to",
        (
            *("docs/data", "docs/arrays", "docs/evaluation", "docs/copying", "docs/latent"),
            *("docs/comparison", "docs/study", "docs/studio", "docs/doctor"),
            *("docs/export", "docs/sharing", "docs/zoo"),
        ),
    ),
    (
        "Families",
        (
            *("docs/autoencoders", "docs/vae", "docs/likelihood", "docs/flows", "docs/diffusion"),
            *("docs/adversarial", "docs/translation", "docs/text"),
        ),
    ),
    ("Reference", ("reference/command", "reference/library", "reference/recipes", "docs/glossary")),
    (
        "The project",
        (
            *("docs/architecture", "docs/extending", "docs/house", "experiments/README"),
            *("CONTRIBUTING", "CHANGELOG"),
        ),
    ),
)

TITLES = {
    "README": "Install and first commands <README>",
    "docs/notebooks": "About the notebooks <docs/notebooks>",
}
"""What a page is called in the list, where its own title says too little there."""


def pages() -> dict[str, str]:
    """Every page by its name without ending: those of the repository, and what is generated."""
    files = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")]
    files += [*sorted((ROOT / "docs").glob("*.md")), ROOT / "experiments" / "README.md"]
    known = {
        str(file.relative_to(ROOT).with_suffix("")): file.read_text(encoding="utf-8")
        for file in files
    }
    known |= lessons.pages()
    known["theory"] = theory.page(ROOT)
    known["gallery"] = gallery(known)
    known["reference/command"] = reference.of_command()
    known["reference/library"] = reference.of_library()
    known["reference/recipes"] = reference.of_recipes()
    known["index"] = index({*known})
    return known


def index(known: set[str]) -> str:
    """The first page: what there is, by sections; a page that no section names comes last."""
    lines = [
        "# Genarium",
        "",
        "One workbench for every classic family of deep generative image models: train, sample, "
        "measure, compare. [Install and first commands](README.md) · "
        "[a folder of pictures, from start to finish](docs/pictures.md) · "
        "[notebooks](docs/notebooks.md) · "
        "[what the theory says and what was measured](theory.md).",
        "",
        "```sh",
        "pip install genarium",
        "genarium demo             # five families on handwritten digits, in minutes",
        "```",
        "",
        "![Samples of the five families side by side](docs/images/demo.png)",
    ]
    named = {name for _, names in SECTIONS for name in names}
    rest = tuple(sorted(known - named))
    for title, names in (*SECTIONS, *((("Further", rest),) if rest else ())):
        there = [TITLES.get(name, name) for name in names if name in known]
        lines += ["", "```{toctree}", ":maxdepth: 1", f":caption: {title}", "", *there, "```"]
    return "\n".join(lines) + "\n"


def gallery(known: dict[str, str]) -> str:
    """The pictures of all pages, each with what its page says below it."""
    lines = [
        "# Gallery",
        "",
        "The pictures of these pages, each with its caption and its page.",
        "",
    ]
    for name, text in known.items():
        if not name.startswith("docs/"):
            continue
        for words, picture, caption in PICTURE.findall(text):
            title = re.search(r"^# (.+)$", text, re.MULTILINE)
            lines += [f"![{words}](docs/{picture})", ""]
            said = caption.replace("\n", " ") if caption else words
            said = re.sub(r"\]\((?![a-z]+:|#)", f"]({posixpath.dirname(name)}/", said)
            lines += [f"{said} ([{title[1] if title else name}]({name}.md))", ""]
    return "\n".join(lines)


def stage(folder: Path) -> None:
    """Write the sources of the site."""
    shutil.rmtree(folder, ignore_errors=True)
    known = pages()
    code: set[str] = set()
    for name, text in known.items():
        file = folder / f"{name}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_linked(text, posixpath.dirname(name), {*known}, code, folder), "utf-8")
    for path in sorted(code):
        page = folder / f"code/{path}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        language = LANGUAGES.get(Path(path).suffix, "text")
        text = (ROOT / path).read_text(encoding="utf-8")
        page.write_text(
            f"---\norphan: true\n---\n\n# {path}\n\n`````{language}\n{text}\n`````\n", "utf-8"
        )
    for path in lessons.notebooks.sources():
        file = path.with_suffix(".ipynb")
        shutil.copyfile(file, folder / "notebooks" / file.name)
    for name in ("conf.py", "static"):
        (shutil.copytree if (HERE / name).is_dir() else shutil.copy)(HERE / name, folder / name)


def _linked(text: str, at: str, known: set[str], code: set[str], folder: Path) -> str:
    """A page whose links lead to pages of the site; pictures are copied."""
    blocks: list[str] = []

    def keep(match: re.Match[str]) -> str:
        blocks.append(match[0])
        return f"\0{len(blocks) - 1}\0"

    def link(match: re.Match[str]) -> str:
        begin, target, anchor = match[1], match[2], match[3] or ""
        path = posixpath.normpath(posixpath.join(at, target))
        if path.removesuffix(".md") in known and path.endswith(".md"):
            return match[0]
        if path.endswith(".ipynb") and path.removesuffix(".ipynb") in known:
            return f"{begin}{target.removesuffix('.ipynb')}.md{anchor})"
        file = ROOT / path
        if not file.exists():
            raise SystemExit(f"{at or '.'}: {target}{anchor} leads nowhere")
        if begin.startswith("!") or file.suffix in (".png", ".jpg"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / path)
            return match[0]
        if file.is_file():
            code.add(path)
            up = "../" * (at.count("/") + 1) if at else ""
            return f"{begin}{up}code/{path}.md)"
        return begin.strip("[](")  # a folder: its name

    return re.sub(r"\0(\d+)\0", lambda m: blocks[int(m[1])], LINK.sub(link, BLOCK.sub(keep, text)))


class Links(HTMLParser):
    """The local links and the anchors of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if name in ("href", "src") and value and not re.match(r"[a-z]+:|//", value):
                self.links.add(value)


def broken(folder: Path) -> list[str]:
    """Local links, pictures and anchors of built pages that are not there."""
    known = {file: Links(file.read_text(encoding="utf-8")) for file in folder.rglob("*.html")}
    wrong = []
    for file, page in known.items():
        for link in sorted(page.links):
            path, _, anchor = link.partition("#")
            path = unquote(path.partition("?")[0])
            target = (file.parent / path).resolve() if path else file
            if not target.exists():
                wrong.append(f"{file.relative_to(folder)}: {link} is not there")
            elif anchor and target in known and unquote(anchor) not in known[target].anchors:
                wrong.append(f"{file.relative_to(folder)}: {link} has no such anchor")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", metavar="DIR")
    parser.add_argument("--stage-only", action="store_true", help="without Sphinx")
    args = parser.parse_args()
    source, html = args.out / "source", args.out / "html"
    stage(source)
    if args.stage_only:
        return
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sphinx = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going"]
    for name in ("version", "release"):
        sphinx += ["-D", f"{name}={project['version']}"]
    sphinx += ["-D", f"html_title=Genarium {project['version']}"]
    done = subprocess.run([*sphinx, str(source), str(html)], check=False)
    if done.returncode:
        sys.exit(done.returncode)
    wrong = broken(html)
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        sys.exit(1)
    count = sum(1 for _ in html.rglob("*.html"))
    print(f"{count} pages, every local link is there: {html / 'index.html'}")


if __name__ == "__main__":
    main()
