"""Answers for the document on explanations naming everything that one may say."""

from typing import get_args

from core.explain import RELEASES, Kind
from tests.edges.documents.pages import ROOT, codes_in, table_under


def test_everything_that_binds_is_told() -> None:
    """Each kind of constraint stands in the table, there is no other, and what releases it is known."""
    rows = table_under(ROOT / "docs" / "explain.md", "A message that waits")
    assert sorted(code for row in rows for code in codes_in(row[0])) == sorted(get_args(Kind))
    assert set(RELEASES) == set(get_args(Kind))
