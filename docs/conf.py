"""Sphinx's settings; tools/docs/build gives the version."""
import os
import re

import docutils.nodes
import sphinx.addnodes

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
html_show_copyright = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["wide.css"]
highlight_language = "none"
c_extra_keywords = ["alignas", "alignof", "bool", "noreturn", "static_assert", "thread_local"]
autodoc_member_order = "alphabetical"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "undoc-members": False}


def plain(app, what, name, obj, options, lines):
    """Docstrings are plain text: what would be markup stands for itself; examples are indented, code is in backquotes."""
    example = None  # the indentation of the line before it
    for at, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if example is not None and (not line.strip() or indent > example):
            continue
        line = line.replace("\\", "\\\\").replace("*", "\\*").replace("|", "\\|")
        line = re.sub(r"(?<!`)`([^`]+)`(?![`_])", r"``\1``", line)
        below = [text for text in lines[at + 1:at + 3] if text.strip()]
        example = indent if line.endswith(":") and below and len(below[0]) - len(below[0].lstrip()) > indent else None
        lines[at] = line + ":" if example is not None else line


def all_names(app):
    """What is imported when it is first used is there for autodoc, too."""
    import prong
    for name in prong.__all__:
        setattr(prong, name, getattr(prong, name))


def target(name):
    """Where a name in the text of a page leads: what a reference of Sphinx needs."""
    header = re.fullmatch(r"<?prong/(\w+)\.h>?", name)
    if header:
        return {"refdomain": "std", "reftype": "doc", "reftarget": f"/reference/c/{header.group(1)}", "refexplicit": True}
    if re.fullmatch(r"(?:prong|PRONG)_\w+", name):
        return {"refdomain": "c", "reftype": "identifier", "reftarget": name}
    return None


def link_names(app, document):
    """`prong_queue_put`, `prong/queue.h` and their like, in the text of a page, lead to the reference."""
    for literal in list(document.findall(docutils.nodes.literal)):
        where = target(literal.astext())
        if where and not isinstance(literal.parent, (sphinx.addnodes.pending_xref, docutils.nodes.reference)):
            link = sphinx.addnodes.pending_xref("", refwarn=where["refdomain"] == "std", refdoc=app.env.docname, **where)
            literal.replace_self(link)
            link += literal


def setup(app):
    app.connect("autodoc-process-docstring", plain)
    app.connect("builder-inited", all_names)
    app.connect("doctree-read", link_names)
