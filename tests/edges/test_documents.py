"""Answers for the documents being true: what they show can be read, run and compared, and it is as they say."""

from pathlib import Path

import pytest

from tests.edges.documents.configurations import environment
from tests.edges.documents.pages import DOCUMENTS, blocks_of
from tests.edges.documents.walk import Walk


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.stem)
def test_whoever_follows_a_document_sees_what_it_says(file: Path, tmp_path: Path) -> None:
    """Every command of a document succeeds, in its order, and answers what the document shows."""
    Walk(tmp_path, environment(blocks_of(file))).follow(file)
