"""What the daemon's log says of somebody who sends what is no HTTP."""

import logging
from collections.abc import Iterator
from io import BytesIO

import msgspec
import pytest
from aiohttp.http_exceptions import BadHttpMessage

from adapters.telemetry import Level, Telemetry

_SECRET = "tk_0123456789"


@pytest.fixture(autouse=True)
def _logs_are_given_back() -> Iterator[None]:
    """The logging of the process is as it was afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers = []
    try:
        yield
    finally:
        root.handlers = before
        root.setLevel(level)


def _said(level: Level, error: Exception) -> list[dict[str, object]]:
    stream = BytesIO()
    Telemetry(stream=stream, level=level).adopt_library_logs()
    logging.getLogger("aiohttp.server").error("Error handling request from 127.0.0.1", exc_info=error)
    return [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]


def test_a_request_that_is_no_http_fills_no_log() -> None:
    """Whoever sends broken requests, without any key, writes no line into the log that people read."""
    assert _said("info", BadHttpMessage(f"Invalid header value char: Authorization: Bearer {_SECRET}")) == []


def test_a_broken_header_is_never_quoted() -> None:
    """Also the most talkative log names only the kind of the fault: the broken line may hold a key."""
    (line,) = _said("debug", BadHttpMessage(f"Invalid header value char: Authorization: Bearer {_SECRET}"))
    assert line["level"] == "debug"
    assert line["fault"] == "BadHttpMessage"
    assert _SECRET not in str(line)


def test_a_fault_of_ours_is_told_whole() -> None:
    """What a library says of any other fault is an error, with where it happened."""
    (line,) = _said("info", ValueError("a bug"))
    assert line["level"] == "error"
    assert "ValueError: a bug" in str(line["fault"])
