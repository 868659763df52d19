"""The site of the documentation, which `make site` writes to target/site. Its pages are the Markdown files of the
repository.

The navigation is built here, so that the files hold nothing that only a site needs. A new page shows up by its
folder."""

import re
import shlex
import sys
import tomllib
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import index, pending_xref
from sphinx.transforms import SphinxTransform
from sphinxcontrib.mermaid import mermaid

ROOT = Path(__file__).resolve().parent.parent
# By group: the pages, as patterns. A group has them in the order in which README.md links them. The last group takes
# what no other has.
GROUPS = {
    "Tutorial": ["docs/tutorial*.md", "docs/tutorial/**/*.md"],
    "How-to guides": ["docs/how-to/**/*.md"],
    "Reference": ["docs/reference/**/*.md", "docs/glossary.md"],
    "Operations": ["docs/operations*.md", "docs/operations/**/*.md", "SECURITY.md", "CHANGELOG.md"],
    "Explanation": ["docs/explanation/**/*.md"],
    "Evidence": ["docs/evidence/**/*.md"],
    "Project": ["docs/**/*.md", "*.md"],
}

# Between the words of a name, such as an ARN or the name of a property.
WORDS = r"(?<=[a-z])(?=[A-Z])|(?<=[\w}*;:][-:/._|=])(?=[\w{*&])|(?<=})(?={)"

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


def linked(start, pages):
    """The pages in the order in which the page `start` links them, then the others by name."""
    text = start.read_text()
    place = {page: text.find(f"({page.relative_to(start.parent).as_posix()}") for page in pages}
    return sorted(place, key=lambda page: (place[page] < 0, place[page], page))


def in_folder(start):
    """The other pages of a folder that has a README.md: they are below that page."""
    return linked(start, set(start.parent.glob("*.md")) - {start})


def navigation():
    """The table of contents of the first page: a toctree for each group."""
    first = ROOT / "README.md"
    placed = {first}
    for start in ROOT.glob("docs/**/README.md"):
        placed.update(in_folder(start))
    for group, patterns in GROUPS.items():
        pages = linked(first, {page for pattern in patterns for page in ROOT.glob(pattern)} - placed)
        placed.update(pages)
        if pages:
            yield toctree([page.relative_to(ROOT).as_posix() for page in pages], f":caption: {group}")


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


class NamesOfTables(SphinxTransform):
    """A search for a property, a parameter or an option first shows the row of the reference that explains it."""
    default_priority = 100

    def apply(self):
        if not self.env.docname.startswith("docs/reference/"):
            return
        for row in self.document.findall(nodes.row):
            found = row[0].next_node(nodes.literal) and re.fullmatch(r"([\w-]+)( [A-Z_=]+)?", row[0].astext())
            if found and found[1] not in self.document.ids:
                row["ids"].append(found[1])
                self.document.ids[found[1]] = row
                self.document.append(index(entries=[("single", found[1], found[1], "main", None)]))


def let_diagrams_scroll(_app, tree, _page):
    for diagram in list(tree.findall(mermaid)):
        diagram.replace_self(nodes.container("", diagram.deepcopy(), classes=["diagram"]))


def let_names_break(_app, _page, _template, context, _tree):
    """A long name in a narrow column breaks between its words."""
    if "body" in context:
        context["body"] = re.sub('(?<=<span class="pre">)[^<]+|(?<=<h1>)[^<]+',
                                 lambda name: re.sub(WORDS, "<wbr>", name[0]), context["body"])


def add_index(app, error):
    """A server shows index.html, and README.md is the first page."""
    if error is None:
        Path(app.outdir, "index.html").write_text(
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={root_doc}.html">'
            f'<title>{project}</title><a href="{root_doc}.html">{project}</a>\n')


def setup(app):
    app.connect("source-read", add_navigation)
    app.connect("doctree-read", unlink_folders)
    app.connect("doctree-resolved", let_diagrams_scroll)
    app.connect("html-page-context", let_names_break)
    app.add_transform(NamesOfTables)
    app.connect("build-finished", add_index)
    return {"parallel_read_safe": True}
