"""How Sphinx builds these pages: strictly, with every code cell executed."""

import importlib.metadata
import os
import re
import shutil
import sys
from pathlib import Path

from docutils import nodes

HERE = Path(__file__).parent

project = "striate"
author = "the striate authors"
copyright = "2026, the striate authors"
release = version = importlib.metadata.version("striate")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build", "jupyter_execute"]

html_theme = "furo"
html_title = "striate"
html_static_path: list[str] = []
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072B2", "color-brand-content": "#0072B2"},
    "dark_css_variables": {"color-brand-primary": "#56B4E9", "color-brand-content": "#56B4E9"},
}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]

# Cells run in a folder of the build, with their own caches, and stop the build where they fail.
# A page and its Chinese twin have the same cells, which run once; a build begins with none run.
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / "cells")
shutil.rmtree(nb_execution_cache_path, ignore_errors=True)
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ.setdefault("STRIATE_CACHE", str(HERE / "_build" / "cache"))
os.environ.setdefault("NO_COLOR", "1")
# Small tensors: one thread computes them as fast, and far faster where other work runs beside.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
default_role = "code"


def _plain(app, what, name, obj, options, lines):
    """Docstrings are plain text: nothing in them is a substitution or emphasis."""
    lines[:] = [re.sub(r"([|*])", r"\\\1", line) for line in lines]


def _described(app, tree):
    """A figure that a cell draws is described by the paragraph in italics below the cell."""
    cells = (box for box in tree.findall(nodes.container) if "cell" in box["classes"])
    for cell in list(cells):
        below = cell.next_node(descend=False, siblings=True)
        if isinstance(below, nodes.paragraph) and isinstance(below[0], nodes.emphasis):
            for image in cell.findall(nodes.image):
                image["alt"] = below.astext()


def setup(app):
    app.connect("autodoc-process-docstring", _plain)
    app.connect("doctree-read", _described)
