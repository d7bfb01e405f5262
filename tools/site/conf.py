"""Settings of Sphinx for the documentation site; `tools/site/build.py` runs it."""

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
html_theme = "furo"
html_copy_source = False
html_show_sourcelink = False
html_css_files = ["site.css"]
html_static_path = ["static"]
html_theme_options = {"navigation_with_keys": False}
