"""Sphinx's settings; tools/docs/build gives the version."""
import os

project = "prong"
author = "the authors of prong"
version = release = os.environ.get("PRONG_VERSION", "")
extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = []
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"prong {version}"
html_copy_source = False
highlight_language = "none"
c_extra_keywords = ["alignas", "alignof", "bool", "noreturn", "static_assert", "thread_local"]
autodoc_member_order = "alphabetical"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "undoc-members": False}


def plain(app, what, name, obj, options, lines):
    """Docstrings are plain text: what would be markup stands for itself."""
    for at, line in enumerate(lines):
        lines[at] = line.replace("\\", "\\\\").replace("*", "\\*").replace("|", "\\|")


def setup(app):
    app.connect("autodoc-process-docstring", plain)
