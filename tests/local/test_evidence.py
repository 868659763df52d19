"""Tests of evidence.py: the line above a table, pages that are refused, and the tables that the commands publish."""

import importlib.util
import io
import json
import re
import subprocess
import sys

import pytest

import evidence
import loop
import reproduce
from evidence import PAGES, ROOT, Refused, publish

PAGE = """# Page

Before.

<!-- evidence: one -->

`make old`; 2026-01-01, commit 0000000, a machine:

| old |
|---|

<!-- /evidence -->

Between.

<!-- evidence: one-more -->
<!-- /evidence -->
"""
TABLE = "| new |\n|---|\n| 1 |\n"
LINE = r"`ROUNDS=3 make bench`; \d{4}-\d\d-\d\d, commit 1234567, CPU, 2 cores, 24 GiB:"
CPU = "processor\t: 0\nmodel name\t: Big  CPU @ 2.9GHz\n\nprocessor\t: 1\nmodel name\t: Big  CPU @ 2.9GHz\n"
# By page: the names of the tables that the commands publish.
PUBLISHED = {"performance.md": ["bench", "bench-delayed", "bench-conflicts", "bench-memory", "bench-plan"],
             "reliability.md": ["campaign", "fuzz", "reproduce"], "loop.md": ["loop", "ci"], "corpus.md": ["corpus"]}


def command(path):
    """A script of another folder, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setenv("MEASURED_REVISION", "commit 1234567")
    monkeypatch.setattr(evidence, "machine", lambda: "CPU, 2 cores, 24 GiB")
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with one commit; returns a function that runs git in it."""
    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.example")
        done = subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout
    monkeypatch.setattr(evidence, "ROOT", tmp_path)
    git("init", "--quiet")
    (tmp_path / "code").write_text("1")
    git("add", "code")
    git("commit", "--quiet", "-m", "one")
    return git


def test_what_stands_between_the_markers_is_replaced_and_nothing_else(page):
    publish(page, "one", "ROUNDS=3 make bench", TABLE)
    before, after = PAGE.split("<!-- evidence: one -->")[0], PAGE.split("<!-- /evidence -->", 1)[1]
    expected = re.escape(before) + f"<!-- evidence: one -->\n\n{LINE}\n\n" + re.escape(
        f"{TABLE}\n<!-- /evidence -->{after}")
    assert re.fullmatch(expected, page.read_text())


def test_publishing_again_gives_the_same_page(page):
    publish(page, "one-more", "make x", TABLE)
    once = page.read_text()
    publish(page, "one-more", "make x", TABLE)
    assert page.read_text() == once


@pytest.mark.parametrize("old, new, reason", [
    ("<!-- evidence: one -->", "", "expected one line `<!-- evidence: one -->`, found 0"),
    ("Between.", "<!-- evidence: one -->", "expected one line `<!-- evidence: one -->`, found 2"),
    ("<!-- /evidence -->\n\nBetween.", "", "expected one line `<!-- /evidence -->` for `one`, found 0"),
    ("Between.", "<!-- /evidence -->", "expected one line `<!-- /evidence -->` for `one`, found 2"),
], ids=["no beginning", "two beginnings", "no end", "two ends"])
def test_a_page_without_the_markers_or_with_doubled_ones_is_refused_and_stays(page, old, new, reason):
    text = PAGE.replace(old, new)
    page.write_text(text)
    with pytest.raises(Refused, match=re.escape(f"{page}: {reason}; nothing was written")):
        publish(page, "one", "make x", TABLE)
    assert page.read_text() == text


def test_an_empty_table_is_refused(page):
    with pytest.raises(Refused, match="there is no table for `one`"):
        publish(page, "one", "make x", "\n")
    assert page.read_text() == PAGE


def test_a_long_line_is_wrapped_and_the_command_is_not(page, monkeypatch):
    monkeypatch.setattr(evidence, "machine", lambda: "A CPU with a long name " * 5)
    publish(page, "one", "make a command of several words", TABLE)
    assert "`make a command of several words`" in page.read_text()
    assert max(map(len, page.read_text().splitlines())) <= 120


def test_a_given_revision_counts_instead_of_that_of_the_checkout(page):
    publish(page, "one", "make x", TABLE, "commit 7654321")
    assert "commit 7654321" in page.read_text()


def test_the_revision_is_the_commit_and_tells_uncommitted_changes(checkout, tmp_path):
    commit = f"commit {checkout('rev-parse', 'HEAD')[:7]}"
    assert evidence.revision() == commit
    for file in ("docs/evidence/page.md", "fuzz/corpus/event.jsonl"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("")
    assert evidence.revision() == commit
    (tmp_path / "code").write_text("2")
    assert evidence.revision() == f"{commit} with uncommitted changes"


def test_without_a_commit_nothing_is_published(page, monkeypatch, tmp_path):
    monkeypatch.delenv("MEASURED_REVISION")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(evidence, "ROOT", tmp_path)
    with pytest.raises(Refused, match="git rev-parse|git status"):
        publish(page, "one", "make x", TABLE)
    assert page.read_text() == PAGE


@pytest.mark.parametrize("cpuinfo, machine", [
    (CPU, "Big CPU @ 2.9GHz, 2 cores, 24 GiB"),
    ("processor\t: 0\n", "aarch64, 1 core, 24 GiB"),
], ids=["with a model", "without"])
def test_the_machine_is_read_from_proc(tmp_path, monkeypatch, cpuinfo, machine):
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    (tmp_path / "meminfo").write_text("MemTotal:       24684096 kB\nMemFree:         1 kB\n")
    monkeypatch.setattr(evidence, "PROC", tmp_path)
    monkeypatch.setattr(evidence.platform, "machine", lambda: "aarch64")
    assert evidence.machine() == machine


def test_this_machine_has_a_name():
    assert re.fullmatch(r".+, \d+ cores?, \d+ GiB", evidence.machine())


def test_as_a_command_it_takes_the_table_from_the_standard_input(page, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(TABLE))
    assert evidence.main(str(page), "one", "make x") == 0
    assert f"\n\n{TABLE}\n<!-- /evidence -->" in page.read_text()
    assert capsys.readouterr().out == f"published in {page}: one\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(TABLE))
    assert "<!-- evidence: two -->" in evidence.main(str(page), "two", "make x")
    monkeypatch.setattr(sys, "stdin", io.StringIO(TABLE))
    assert "No such file" in evidence.main(str(page.with_name("none.md")), "one", "make x")
    assert "PAGE NAME" in evidence.main("one")


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_page_has_the_markers_of_what_is_published_there(name):
    text = (PAGES / name).read_text()
    assert [found for found in re.findall("<!-- evidence: (.+) -->", text)] == PUBLISHED[name]
    for table in PUBLISHED[name]:
        assert evidence.replaced(text, table, "") != text


def test_each_table_says_when_it_was_measured_and_of_which_commit():
    block = re.compile("^<!-- evidence: [^\n]+ -->\n\n(.+?)\n\n", re.MULTILINE | re.DOTALL)
    for page in PAGES.glob("*.md"):
        for line in block.findall(page.read_text()):
            says = r"`[^`]+`.*; (published )?\d{4}-\d\d-\d\d, commits? [0-9a-f]{7}\b.*, .+:"
            assert re.fullmatch(says, " ".join(line.split())), (page, line)


def test_the_bench_publishes_the_tables_that_the_harness_prints():
    source = (ROOT / "benches/run.py").read_text()
    assert re.findall(r': "(bench[a-z-]*)"', source) == PUBLISHED["performance.md"][:4]
    headings = re.findall("### ([^,(]+)", (ROOT / "benches/harness/src/main.rs").read_text())
    assert [heading.strip() for heading in headings] == [
        "{} ms added to each call", "Where IAM refuses writes to one role that overlap", "First Create by memory size"]


def test_the_bench_of_the_plan_times_each_size_several_times(tmp_path):
    plan = command(ROOT / "benches/plan.py")
    program = tmp_path / "plan"
    program.write_text(f"#!/bin/sh\necho \"$*\" >> {tmp_path}/runs\n")
    program.chmod(0o755)
    rows = [*plan.rows(program, tmp_path)]
    assert [re.fullmatch(r"\| ([\d,]+ .+) \| \d+ \| (?:\d+\.\d)? \|", row)[1] for row in rows] == [
        f"{size:,} {name}" for name, (_, sizes) in plan.INPUTS.items() for size in sizes]
    assert len((tmp_path / "runs").read_text().splitlines()) == plan.RUNS * len(rows)
    for task, sizes in plan.INPUTS.values():
        text = plan.definition(task, sizes[-1])
        assert len(json.loads(text)["States"]) == sizes[-1] and len(text) <= 1_048_576


def test_the_builds_are_compared_in_words():
    rows = ["| build | SHA-256 of the function |", "|---|---|", "| the first build | `a` |"]
    assert reproduce.table(["a", "a"], None).splitlines() == [
        *rows, "| the second build, elsewhere | `a` |", "", "The two builds are equal."]
    assert reproduce.table(["a", "b"], "b").splitlines()[4:] == ["| `make build` | `b` |", "", "The two builds differ."]
    assert reproduce.table(["a", "a"], "c").endswith("another one; it may be of other sources.")


def test_the_executions_of_a_target_are_those_of_the_final_statistics(tmp_path):
    executions = command(ROOT / "fuzz/executions.py")
    log = tmp_path / "event.log"
    log.write_text("#2 INITED cov: 1\n#1234567 DONE cov: 2\nDone 1234567 runs in 3601 second(s)\n"
                   "stat::number_of_executed_units: 1234567\nstat::average_exec_per_sec:     342\n")
    assert executions.table([log]) == (
        "| target | executions | time |\n|---|--:|--:|\n| `event` | 1,234,567 | 3,601 s |")
    log.write_text("#2 INITED cov: 1\n==1== ERROR: libFuzzer: deadly signal\n")
    with pytest.raises(SystemExit, match="event.log: libFuzzer printed no final statistics"):
        executions.table([log])


CI = """\
$ cargo test --locked
   253 s  700 passed, 0 failed: cargo test --locked --workspace
    12 s  99 passed, 0 failed: env FACE=wire cargo test --locked
    41 s  210 passed, 0 failed: .tools/e2e/bin/python -m pytest tests/local
1009 passed, 0 failed

Time of each step:
    41 s  tools
   871 s  test
   717 s  package, beside the others
  1399 s  in all
"""


def test_the_steps_are_those_that_ci_printed():
    table = loop.table("step", loop.steps(CI)).splitlines()
    assert table[2:4] == ["| tools | 41 s |", "| test | 14 min 31 s |"]
    assert [row.partition(",")[0] for row in table[4:7]] == [
        "| of it: the Rust tests", "| of it: the Rust tests with two faces", "| of it: `tests/local` | 41 s |"]
    assert table[-1] == "| in all | 23 min 19 s |"


@pytest.mark.parametrize("log, reason", [("no times\n", "no line `Time of each step:`"),
                                         (CI.replace("tools", "tools: FAILED"), "a step failed")])
def test_a_log_without_times_or_of_a_failure_is_refused(log, reason):
    with pytest.raises(Refused, match=reason):
        list(loop.steps(log))


def test_ci_prints_its_times_under_the_line_that_is_looked_for():
    assert "Time of each step:\\n%s" in (ROOT / ".ci/run").read_text()


def test_what_is_touched_exists():
    assert (ROOT / loop.PLANNER).exists() and (ROOT / loop.PLAN.split()[-1]).exists()
