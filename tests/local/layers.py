"""Checks that crates and files keep to the layers of ARCHITECTURE.md, and prints a table.

- Crates: what each may depend on, and what must not be linked into it, directly or indirectly.
- Files: no file may import itself through other files. If the `lib.rs` of a crate has a list, a folder or file may
  import only what stands before it in that list.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = "mlops-roles"
# By crate: the crates of this repository that it may use.
MAY_USE = {
    "mlops-roles-core": set(),
    "mlops-roles-engine": {"mlops-roles-core"},
    "mlops-roles": {"mlops-roles-core", "mlops-roles-engine"},
    "mlops-roles-cli": {"mlops-roles-core", "mlops-roles-engine", "mlops-roles"},
    "mlops-roles-generate": {"mlops-roles-cli", "mlops-roles-core"},
    "mlops-roles-testkit": {"mlops-roles-core", "mlops-roles-engine", "mlops-roles"},
}
SDK = r"aws-(config|credential-types|runtime|sdk|sigv4|smithy|types)"
HTTP = r"h2|http|http-body|hyper|hyper-.*|lambda_runtime|reqwest|rustls|tower.*"
# By crate: the names of packages that it must not link with its default features.
MUST_NOT_LINK = {
    "mlops-roles-core": rf"{SDK}.*|{HTTP}|futures.*|tokio.*|tracing.*",
    "mlops-roles-engine": rf"{SDK}.*|{HTTP}",
    "mlops-roles-cli": rf"{SDK}.*|{HTTP}|schemars.*",
    "mlops-roles-generate": rf"{SDK}.*|{HTTP}",
    "mlops-roles": r"clap.*|saphyr.*|schemars.*",
}


def crates():
    """The crates of the workspace: name, folder of the sources, names of the workspace's crates that they use."""
    metadata = subprocess.run(["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"], check=True,
                              capture_output=True, text=True, cwd=ROOT)
    for package in json.loads(metadata.stdout)["packages"]:
        uses = {one["name"] for one in package["dependencies"] if one["kind"] is None and one["name"].startswith(OWN)}
        yield package["name"], Path(package["manifest_path"]).parent / "src", uses


def linked(crate):
    tree = ["cargo", "tree", "--locked", "--package", crate, "--edges", "normal", "--prefix", "none", "--format", "{p}"]
    lines = subprocess.run(tree, check=True, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
    return {line.split()[0] for line in lines if line}


def module(path, source):
    """The module of a file: `plan::step` for `plan/step.rs`, `plan` for `plan/mod.rs`, the root for `lib.rs`."""
    parts = list(path.relative_to(source).with_suffix("").parts)
    if parts[-1] in ("mod", "lib", "main"):
        parts.pop()
    return tuple(parts)


def leaves(tree):
    """The paths of a use tree: `a::{b, c::d}` has `a::b` and `a::c::d`."""
    tree = tree.strip()
    if "{" not in tree:
        return [tree.split(" as ")[0].strip()] if tree else []
    before, inside = tree.split("{", 1)
    inside, depth, item, found = inside.rsplit("}", 1)[0] + ",", 0, "", []
    for sign in inside:
        depth += (sign == "{") - (sign == "}")
        if sign == "," and not depth:
            found += [before.strip() + leaf for leaf in leaves(item)]
            item = ""
        else:
            item += sign
    return found


def paths(text, here, children):
    """The paths within the crate that a file names, absolute."""
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r'r#".*?"#|"(?:\\.|[^"\\])*"', '""', text, flags=re.DOTALL)
    uses = re.findall(r"\buse ([^;]+);", text)
    text = re.sub(r"\buse [^;]+;", "", text)
    told = [leaf for use in uses for leaf in leaves(" ".join(use.split()))]
    told += re.findall(r"\b(?:crate|self|super)(?:::\w+)+", text)
    told += [found for child in children for found in re.findall(rf"(?<![:\w]){child}(?:::\w+)+", text)]
    for path in told:
        first, *rest = re.sub(r"^self::(?=super\b)", "", path).split("::")
        if first == "crate":
            yield rest
        elif first == "self":
            yield [*here, *rest]
        elif first == "super":
            above = list(here[:-1])
            while rest and rest[0] == "super":
                above, rest = above[:-1], rest[1:]
            yield [*above, *rest]
        elif first in children:
            yield [*here, first, *rest]


def imports(source):
    """The imports within a crate: each module with the modules of the same crate that its file imports."""
    files = {module(path, source): path for path in sorted(source.rglob("*.rs"))}
    graph = {}
    for here, path in files.items():
        children = {other[-1] for other in files if len(other) == len(here) + 1 and other[:-1] == here}
        found = set()
        for named in paths(path.read_text(), here, children):
            while named and tuple(named) not in files:
                named = named[:-1]
            found.add(tuple(named))
        graph[here] = found - {here}
    return graph


def cycles(graph):
    """The groups of modules that import each other, directly or through other modules."""
    reached = {}
    for start in graph:
        seen, todo = set(), [start]
        while todo:
            for other in graph.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        reached[start] = seen
    groups = {frozenset(other for other in reached[one] if one in reached.get(other, ())) | {one}
              for one in graph if one in reached[one]}
    return sorted(sorted("::".join(one) or "the root" for one in group) for group in groups)


def order(source):
    """The layers of a crate from the bottom up, from the list in its `lib.rs`. Empty if there is no list."""
    lib = source / "lib.rs"
    text = "\n".join(re.findall(r"^//! - (.*)$", lib.read_text(), re.MULTILINE)) if lib.exists() else ""
    return [re.findall(r"\[`(\w+)`\]", line) for line in text.splitlines()]


def against(graph, layers):
    """The imports that run in the wrong direction: from a lower layer to a higher one."""
    floor = {name: number for number, names in enumerate(layers) for name in names}
    return sorted(f"{'::'.join(one)} -> {'::'.join(other)}" for one, others in graph.items() for other in others
                  if one and other and floor.get(one[0], len(layers)) < floor.get(other[0], -1))


def main():
    mistakes, rows = [], []
    for crate, source, uses in crates():
        beyond = uses - MAY_USE[crate]
        mistakes += [f"{crate} must not use {other}" for other in sorted(beyond)]
        if crate in MUST_NOT_LINK:
            bad = sorted(name for name in linked(crate) if re.fullmatch(MUST_NOT_LINK[crate], name))
            mistakes += [f"{crate} must not link {name}" for name in bad]
        graph, layers = imports(source), order(source)
        unknown = {one[0] for one in graph if one} - {name for names in layers for name in names}
        if layers:
            mistakes += [f"{crate}: `{name}` is not in the list of {source / 'lib.rs'}" for name in sorted(unknown)]
        up, rings = against(graph, layers), cycles(graph)
        mistakes += [f"{crate}: {one} runs against the direction" for one in up]
        mistakes += [f"{crate}: {', '.join(ring)} import each other" for ring in rings]
        rows.append((crate, len(graph), len({one[:-1] for one in graph if len(one) > 1}), len(layers) or "-", len(up),
                     len(rings)))
    print(f"{'crate':22}{'files':>6}{'folders':>9}{'layers':>8}{'against':>9}{'cycles':>8}")
    for row in rows:
        print(f"{row[0]:22}{row[1]:>6}{row[2]:>9}{row[3]:>8}{row[4]:>9}{row[5]:>8}")
    print("\n".join(mistakes) or "layers: all imports run one way")
    return len(mistakes) > 0


if __name__ == "__main__":
    sys.exit(main())
