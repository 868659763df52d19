"""The site of the documentation, which `make site` writes to target/site. Its pages are the Markdown files of the
repository.

The navigation is built here, so that the files hold nothing that only a site needs. A new page shows up by its
folder."""

import shlex
import sys
import tomllib
from pathlib import Path

from sphinx.addnodes import pending_xref

ROOT = Path(__file__).resolve().parent.parent
# By group: the pages, as patterns in order. The last group takes what no other has.
GROUPS = {
    "Tutorial": ["docs/tutorial*.md", "docs/tutorial/**/*.md"],
    "How-to guides": ["docs/how-to/**/*.md"],
    "Reference": ["docs/reference/**/*.md"],
    "Operations": ["docs/operations*.md", "docs/operations/**/*.md"],
    "Explanation": ["docs/explanation/**/*.md", "ARCHITECTURE.md"],
    "Evidence": ["docs/evidence/**/*.md"],
    "Glossary": ["docs/glossary.md"],
    "Project": ["docs/**/*.md", "*.md"],
}

project = "mlops-roles"
release = version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
root_doc = "README"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
include_patterns = ["*.md", "docs/**.md"]
# Sphinx walks through each folder that is not excluded.
exclude_patterns = [entry.name for entry in ROOT.iterdir() if entry.is_dir() and entry.name != "docs"]
# A block without a language is text.
highlight_language = "text"

myst_heading_anchors = 6
myst_fence_as_directive = ["mermaid"]
# Drawn when the site is built: a page needs no JavaScript for it.
mermaid_output_format = "svg"
mermaid_config = {"theme": "neutral", "look": "classic"}
mermaid_cmd = shlex.quote(str(Path(sys.prefix, "bin", "mmdr")))

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False


def toctree(pages, *options):
    return "\n\n" + "\n".join(["```{toctree}", ":hidden:", *options, *pages, "```"]) + "\n"


def in_folder(index):
    """The other pages of a folder that has a README.md: they are below that page."""
    return [path for path in sorted(index.parent.glob("*.md")) if path != index]


def navigation():
    """The table of contents of the first page: a toctree for each group."""
    placed = {ROOT / "README.md"}
    for index in ROOT.glob("docs/**/README.md"):
        placed.update(in_folder(index))
    for group, patterns in GROUPS.items():
        found = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
        pages = [path for path in dict.fromkeys(found) if path not in placed]
        placed.update(pages)
        if pages:
            yield toctree([path.relative_to(ROOT).as_posix() for path in pages], f":caption: {group}")


def add_navigation(_app, page, content):
    if page == root_doc:
        content[0] += "".join(navigation())
    elif page.endswith("/README"):
        content[0] += toctree([path.name for path in in_folder(ROOT / f"{page}.md")])


def unlink_folders(app, tree):
    """A link to a file takes a copy of it along; a folder is only on the forge."""
    for link in list(tree.findall(pending_xref)):
        page = Path(app.srcdir, link["refdoc"])
        if link.get("reftype") == "myst" and page.parent.joinpath(link["reftarget"]).is_dir():
            link.replace_self(link[0].children)


def add_index(app, error):
    """A server shows index.html, and README.md is the first page."""
    if error is None:
        Path(app.outdir, "index.html").write_text(
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={root_doc}.html">'
            f'<title>{project}</title><a href="{root_doc}.html">{project}</a>\n')


def setup(app):
    app.connect("source-read", add_navigation)
    app.connect("doctree-read", unlink_folders)
    app.connect("build-finished", add_index)
    return {"parallel_read_safe": True}
