"""Answers for tests being proofs: each says its promise and can fail, by means that nobody has to trust.

It must never judge whether a promise is worth making; readers do.
"""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from tests.house_rules.naming import Finding, FunctionNode, finding, full_name, functions, imports, meanings
from tests.house_rules.sources import Source

# Whatever runs a whole suite of assertions on behalf of a test; its own functions begin with `assert_`.
JUDGES: Final = {"pytest.raises", "pytest.warns", "pytest.fail", "hypothesis.stateful.run_state_machine_as_test"}


def every_test_makes_a_promise(source: Source) -> Iterator[Finding]:
    """A test's docstring is its promise in one sentence."""
    for name, function in _tests(source):
        if not ast.get_docstring(function):
            yield finding(source, function, f"{name} does not say what it promises")


def every_test_can_fail(source: Source) -> Iterator[Finding]:
    """A test asserts something that is not a constant, expects an error, or calls an `assert_...` of its own."""
    meaning = meanings(source)
    for name, function in _tests(source):
        if not any(_can_fail(node, meaning) for node in ast.walk(function)):
            yield finding(source, function, f"{name} cannot fail: it has no assert, no raises, and calls no assert_...")


def tests_use_real_parts(source: Source) -> Iterator[Finding]:
    """No mocks and no sleeping threads: the memory log, the sandbox, virtual time and real servers take their place."""
    if source.room != "tests":
        return
    for node, name in imports(source):
        if name.startswith("unittest.mock") or name == "time.sleep":
            yield finding(source, node, f"tests never use {name}")
    meaning = meanings(source)
    for call in source.nodes:
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and full_name(call.func, meaning) == "time.sleep"
        ):
            yield finding(source, call, "tests never sleep; they wait for what they expect")


def _tests(source: Source) -> Iterator[tuple[str, FunctionNode]]:
    if source.room != "tests" or not PurePosixPath(source.path).name.startswith("test_"):
        return
    for name, function in functions(source):
        if function.name.startswith("test_"):
            yield name, function


def _can_fail(node: ast.AST, meaning: dict[str, str]) -> bool:
    match node:
        case ast.Assert(test=test):
            return not isinstance(test, ast.Constant)
        case ast.Call(func=func):
            name = full_name(func, meaning) or ""
            return name in JUDGES or name.rpartition(".")[2].startswith("assert_")
        case _:
            return False
