"""Answers for the rules of the house: each holds in every file, and each finds what is planted for it.

It must never explain a rule; the rule's own file under house_rules/ does.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import packages_distributions
from typing import Final

import msgspec
import pytest

from tests.house_rules.arrows import (
    core_knows_values_only,
    core_never_speaks,
    core_never_waits,
    knowledge_runs_one_way,
)
from tests.house_rules.catching import everything_is_caught_in_few_places
from tests.house_rules.exceptions import Exceptions, Excused, known_exceptions, not_excused
from tests.house_rules.machine import only_two_files_ask_the_machine
from tests.house_rules.names import (
    every_name_says_something,
    no_name_hides_a_standard_module,
    strangers,
    tests_of_core_lie_in_rules,
)
from tests.house_rules.naming import Finding
from tests.house_rules.places import no_place_of_our_own
from tests.house_rules.planted import PLANTED, Rule
from tests.house_rules.proofs import every_test_can_fail, every_test_makes_a_promise, tests_use_real_parts
from tests.house_rules.sizes import Size, over_their_bound, sizes
from tests.house_rules.sources import source, sources, tracked_texts

STRICT: Final[tuple[Rule, ...]] = (
    knowledge_runs_one_way,
    core_knows_values_only,
    core_never_waits,
    core_never_speaks,
    no_name_hides_a_standard_module,
    every_name_says_something,
    tests_of_core_lie_in_rules,
    every_test_makes_a_promise,
    every_test_can_fail,
    tests_use_real_parts,
)
EXCUSABLE: Final[tuple[tuple[Rule, Sequence[Excused]], ...]] = (
    (only_two_files_ask_the_machine, known_exceptions().asks_the_machine),
    (everything_is_caught_in_few_places, known_exceptions().catches_everything),
)


class _Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What all rules find in all files, and how large everything is."""

    findings: dict[Rule, list[Finding]]
    sizes: list[Size]


@cache
def _judged() -> _Judged:
    # One file at a time under every rule: all trees together would be a million nodes, which are slow to let go of.
    judged = _Judged(findings={rule: [] for rule in (*STRICT, *(rule for rule, _ in EXCUSABLE))}, sizes=[])
    for file in sources():
        for rule, findings in judged.findings.items():
            findings.extend(rule(file))
        judged.sizes.extend(sizes(file))
    return judged


def _listed(findings: Sequence[object]) -> str:
    return "\n" + "\n".join(str(finding) for finding in findings)


@pytest.mark.parametrize("rule", STRICT, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: Rule) -> None:
    """A rule without exceptions holds in every file of every room."""
    findings = _judged().findings[rule]
    assert not findings, _listed(findings)


@pytest.mark.parametrize(("rule", "excused"), EXCUSABLE, ids=[rule.__name__ for rule, _ in EXCUSABLE])
def test_every_exception_is_known_and_needed(rule: Rule, excused: Sequence[Excused]) -> None:
    """A rule with exceptions holds wherever none is written down, and each one written down is still needed."""
    findings = list(not_excused(_judged().findings[rule], excused))
    assert not findings, _listed(findings)


@pytest.mark.parametrize(
    ("rule", "path", "text"), PLANTED, ids=[f"{rule.__name__}-{path}" for rule, path, _ in PLANTED]
)
def test_a_planted_fault_is_found(rule: Rule, path: str, text: str) -> None:
    """A rule finds each guilty line of its samples and no innocent one."""
    guilty = {number for number, line in enumerate(text.splitlines(), start=1) if line.endswith("# guilty")}
    assert {finding.line for finding in rule(source(path, text))} == guilty


def test_no_rule_goes_without_a_planted_fault() -> None:
    """Each rule is known to fail on something."""
    assert {rule for rule, _, text in PLANTED if "# guilty" in text} == {*STRICT, *(rule for rule, _ in EXCUSABLE)}


def test_an_excuse_covers_its_place_and_no_other() -> None:
    """An excuse silences its own place only, and is itself reported once its place needs it no more."""
    here = Finding(path="actors/system.py", line=7, words="catches everything", within="System.run")
    there = Finding(path="actors/system.py", line=9, words="catches everything", within="System.stop")
    excuse = Excused(at="actors/system.py::System.run", reason="the top of the loop")
    assert list(not_excused([here], [excuse])) == []
    assert list(not_excused([here, there], [excuse])) == ["actors/system.py:9: catches everything"]
    assert len(list(not_excused([], [excuse]))) == 1


def test_nothing_is_larger_than_its_bound() -> None:
    """Files and functions keep their bounds, but for the known exceptions at exactly their size."""
    findings = list(over_their_bound(_judged().sizes, known_exceptions().sizes()))
    assert not findings, _listed(findings)


@pytest.mark.parametrize(
    ("amount", "allowed", "verdict"),
    [
        (50, None, None),
        (51, None, "50 are allowed"),
        (53, 53, None),
        (54, 53, "53 are allowed"),
        (52, 53, "tighten"),
        (50, 53, "remove"),
    ],
)
def test_the_ratchet_only_tightens(amount: int, allowed: int | None, verdict: str | None) -> None:
    """A function over its bound fails unless it is allowed exactly, and an allowance that is too wide fails as well."""
    at = "core/planted.py::fold"
    size = Size(dimension="function-lines", at=at, line=3, amount=amount)
    findings = list(over_their_bound([size], {} if allowed is None else {("function-lines", at): allowed}))
    assert len(findings) == (verdict is not None), findings
    assert verdict is None or verdict in findings[0]


def test_lengths_are_counted_from_first_line_to_last() -> None:
    """A file's length is its lines; a function's runs from `def` to its last statement, inner functions included."""
    text = "@decorated\ndef outer() -> None:\n    def inner() -> None:\n        pass\n\n    inner()\n\n\nVALUE = 1\n"
    found = {(size.dimension, size.at): size.amount for size in sizes(source("core/planted.py", text))}
    assert found["file-lines", "core/planted.py"] == 9
    assert found["function-lines", "core/planted.py::outer"] == 5
    assert found["function-lines", "core/planted.py::outer.inner"] == 2


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        ("pass", 0),
        ("if a: pass\n elif b: pass\n elif c: pass\n else: pass", 1),
        ("if a: pass\n else:\n  for b in c: pass", 2),
        ("try: pass\n except OSError:\n  with a: pass\n finally:\n  pass", 2),
        ("match a:\n  case 1:\n   if b: pass", 2),
        ("async with a:\n  async for b in c:\n   while d:\n    if e: pass", 4),
        ("class Inner:\n  def method(self):\n   try: pass\n   finally:\n    if a: pass", 4),
    ],
)
def test_depth_is_the_number_of_blocks_around_a_statement(body: str, depth: int) -> None:
    """Each block within a block counts once; branches that stand side by side do not."""
    outer = next(
        size for size in sizes(source("core/p.py", f"async def f():\n {body}\n")) if size.dimension == "function-depth"
    )
    assert (outer.at, outer.amount) == ("core/p.py::f", depth)


def test_an_exception_without_a_reason_is_refused() -> None:
    """exceptions.toml knows no entry without a reason and no misspelt one."""
    with pytest.raises(msgspec.ValidationError, match="reason"):
        msgspec.toml.decode(b'[[asks_the_machine]]\nat = "core/x.py"\n', type=Exceptions)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.toml.decode(b'[[ask_the_machine]]\nat = "core/x.py"\nreason = "r"\n', type=Exceptions)


def test_our_names_are_ours() -> None:
    """No other installed distribution brings a top-level package of one of our names."""
    assert strangers(packages_distributions()) == []
    assert strangers({"core": ["tidings"], "tests": ["sloppy"]}) == []
    assert strangers({"core": ["tidings", "sloppy"], "actors": ["other"]}) == [
        "sloppy also installs a top-level package `core`",
        "other also installs a top-level package `actors`",
    ]


def test_no_tracked_file_names_a_place_of_our_own() -> None:
    """What is published holds no path of a developer's machine and no address of a package index."""
    texts = tracked_texts()
    if texts is None:
        pytest.skip("a source archive tracks no files")
    findings = [finding for path, text in texts.items() for finding in no_place_of_our_own(path, text)]
    assert not findings, _listed(findings)


# The guilty samples are put together here, so that this file does not hold what it forbids.
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("root = '/" + "home/ann/tidings'", 1),
        ("cd /" + "tmp/build", 1),
        ("C:\\" + "Users\\ann", 1),
        ("--index" + "-url=https://example.com", 1),
        ("PIP_EXTRA_INDEX" + "_URL", 1),
        ("https://packages.example.com/" + "simple/", 1),
        ("see https://pypi" + ".org/project/tidings", 1),
        ("docs/home/page and https://example.com/home/page", 0),
        ("GET /v1/home and {base}/work/1", 0),
        ("a rule of thumb, /homeward, /dev/null, ./data", 0),
        ("pip-compile --no-emit-index-url --no-emit-find-links", 0),
    ],
)
def test_a_place_of_our_own_is_found(line: str, found: int) -> None:
    """A path or an index address is found wherever it stands in a line, and what only looks like one is not."""
    assert len(list(no_place_of_our_own("Makefile", f"first\n{line}\n"))) == found


# Before CPython 3.11.5 such a group matches what it should not, and less than it should (python/cpython#106052).
_POSSESSIVE_GROUP: Final = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+")


def test_no_pattern_repeats_a_group_possessively() -> None:
    """The oldest Python that we run on has them wrong, so no source holds one; a planted one is found."""
    assert _POSSESSIVE_GROUP.search("(?:a|b)*" + "+c")
    assert not _POSSESSIVE_GROUP.search("[^a]*+b, (?:a)*b and f(x) + g(y)")
    texts = tracked_texts()
    if texts is None:
        pytest.skip("a source archive tracks no files")
    sources = {path: text for path, text in texts.items() if path.endswith(".py")}
    assert len(sources) > 100
    assert [path for path, text in sources.items() if _POSSESSIVE_GROUP.search(text)] == []
