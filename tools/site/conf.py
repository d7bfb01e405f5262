"""Settings of Sphinx for the documentation site; `tools/site/build.py` runs it.

Formulas become MathML when the site is built; browsers draw it without a script.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

project = "Genarium"
author = "The Genarium developers"
copyright = author
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
myst_heading_anchors = 4
# pages are read on GitHub too, where the first heading of a section may skip a level, and what a
# block of Python leaves out is written as three dots
suppress_warnings = ["myst.header", "misc.highlighting_failure"]
highlight_language = "none"  # of a block that says no language
html_theme = "furo"
html_copy_source = False
html_show_sourcelink = False
html_css_files = ["site.css"]
html_static_path = ["static"]
html_theme_options = {"navigation_with_keys": False}
html_math_renderer = "mathml"


SPACE = '<mspace width="0.17em" />'


def mathml(formula: str, display: str) -> str:
    """With the space around the name of a function that TeX would leave there."""
    drawn = convert(formula, display=display)
    drawn = re.sub(r"(?<=</mi>|</mn>)(?=<mi>(?:ln|sin|cos)</mi>)", SPACE, drawn)
    return re.sub(r"(<mi>(?:ln|sin|cos)</mi>)(?=<m[in])", rf"\1{SPACE}", drawn)


def inline(self: Any, node: nodes.math) -> None:
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def displayed(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
