"""The schema of scenario files: it follows from the tables, and every file that is shipped or planted fits it."""

import tomllib
from datetime import datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # It has no stubs of its own.
from msgspec import json

from scenarios.file.schema import as_text

_ROOT = Path(__file__).parents[2]
_KEPT = _ROOT / "scenarios" / "scenario.schema.json"
_FILES = [*_ROOT.glob("scenarios/*.toml"), *_ROOT.glob("tests/planted/worlds/*.toml")]
_VALIDATOR = Draft202012Validator(json.decode(as_text()))


def _faults(text: str) -> list[str]:
    """What a file of this text has against the schema, by the places at which it does."""
    tree = json.decode(json.encode(tomllib.loads(text), enc_hook=datetime.isoformat))
    return ["/".join(str(part) for part in error.absolute_path) for error in _VALIDATOR.iter_errors(tree)]


def test_the_kept_schema_is_the_one_of_the_tables() -> None:
    """Whoever changes a table writes anew what `python -m scenarios.file.schema` prints."""
    assert _KEPT.read_text() == as_text()


def test_every_file_fits_the_schema() -> None:
    """No file that is shipped, and none of the worlds of planted bugs, has anything against it."""
    assert _FILES
    assert {file.name: found for file in _FILES if (found := _faults(file.read_text()))} == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[[arrive]]\ncount = "3"\n', "arrive/0/count"),
        ('[[fault]]\ndaemon = "explode"\n', "fault/0/daemon"),
        ("[[fault]]\nanswer = 3\n", "fault/0/answer"),
        ("[[operator]]\nat = 5\n", "operator/0/at"),
        ("[disk]\nlatncy = 3\n", "disk"),
        ("[policies.email.limits]\nlane = 30\n", "policies/email/limits/lane"),
        ("runs_for = 3\n", "runs_for"),
    ],
)
def test_a_mistake_of_form_is_found_at_its_place(text: str, place: str) -> None:
    """Unknown keys, values of another type, and words of no set: an editor underlines what reading would refuse."""
    assert place in _faults(text)
