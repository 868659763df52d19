"""Tests of layers.py: it finds what runs against the layers in made-up sources, and nothing in this repository."""

import pytest

import layers


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path
    return write


def names(groups):
    return [tuple(group) for group in groups]


@pytest.mark.parametrize("one, other", [
    ("use crate::b::Thing;", "use crate::a::Other;"),
    ("use crate::{\n    b::{self, Thing},\n    c,\n};", "fn f() { crate::a::g() }"),
    ("use super::b;", "use self::super::a::Other as O;"),
])
def test_two_files_that_import_each_other_are_a_cycle(write, one, other):
    write("a.rs", one)
    source = write("b.rs", other)
    assert names(layers.cycles(layers.imports(source))) == [("a", "b")]


def test_a_cycle_may_go_through_several_files_and_folders(write):
    write("a.rs", "use crate::b::Thing;")
    write("b/mod.rs", "pub mod deep;\npub use deep::Thing;")
    source = write("b/deep.rs", "use crate::c;\n")
    write("c.rs", "fn f() -> crate::a::Other { loop {} }")
    assert names(layers.cycles(layers.imports(source))) == [("a", "b", "b::deep", "c")]


def test_a_module_and_what_is_in_its_folder_are_a_cycle_where_both_name_the_other(write):
    write("a/mod.rs", "mod child;\npub struct Shared;\nfn f() { child::g() }")
    source = write("a/child.rs", "use super::Shared;")
    assert names(layers.cycles(layers.imports(source))) == [("a", "a::child")]


def test_the_root_counts_as_a_file(write):
    write("main.rs", "mod a;\nstruct Options;\nfn main() { a::run() }")
    source = write("a.rs", "use crate::Options;")
    assert names(layers.cycles(layers.imports(source))) == [("a", "the root")]


@pytest.mark.parametrize("text", [
    "// use crate::a::Other;", 'const TEXT: &str = "crate::a::Other";', "mod a;", "use other::a::Thing;",
    'const RAW: &str = r#"use crate::a::Other;"#;', "/// [`crate::a::Other`]\nstruct Documented;",
])
def test_what_only_looks_like_an_import_is_none(write, text):
    write("a.rs", "use crate::b::Thing;")
    source = write("b.rs", text)
    assert layers.cycles(layers.imports(source)) == []


def test_an_import_of_a_higher_layer_runs_against_the_direction(write):
    write("lib.rs", "//! - [`low`], [`beside`]: what is used\n//! - [`high`]: what uses it\n")
    write("low.rs", "use crate::high::Thing;\nuse crate::beside::Other;")
    source = write("high.rs", "use crate::low::Thing;")
    write("beside.rs", "")
    graph, order = layers.imports(source), layers.order(source)
    assert order == [["low", "beside"], ["high"]]
    assert layers.against(graph, order) == ["low -> high"]


def test_no_file_of_ours_runs_against_them():
    found = {name: source for name, source, _ in layers.crates()}
    assert set(found) == set(layers.MAY_USE)
    for source in found.values():
        graph = layers.imports(source)
        assert layers.cycles(graph) == [] and layers.against(graph, layers.order(source)) == []
    # The check above is not empty: the files of core import each other.
    assert sum(len(others) for others in layers.imports(found["mlops-roles-core"]).values()) > 100
