"""Errors nobody expected: told to the client without any detail, and to the log with all that helps to find them.

This file answers for the one correlation id that joins the two. It must never let the words of an exception out, since
they may hold an address or a content.
"""

import traceback
from collections.abc import Mapping

from adapters.web.front import Front
from adapters.web.problems import Declined, Problem, of_error, problem
from core.errors import TidingsError


def told(front: Front, error: Exception, where: str) -> tuple[Problem, Mapping[str, str]]:
    """What the client is told of an error, expected or not, and the headers beside it; `where` is the call."""
    if isinstance(error, Declined):
        return error.problem, error.headers
    known = of_error(error) if isinstance(error, TidingsError) else None
    return _unexpected(front, error, where) if known is None else known, {}


def _unexpected(front: Front, error: Exception, where: str) -> Problem:
    front.failures += 1
    correlation = f"{front.clock.now_us():x}-{front.failures}"
    frames = " < ".join(
        f"{f.name} ({f.filename}:{f.lineno})" for f in reversed(traceback.extract_tb(error.__traceback__))
    )
    front.witness.note(
        "request_failed", where=where, error=type(error).__name__, frames=frames, correlation=correlation
    )
    words = "something unexpected happened; the daemon's log tells more under this correlation"
    return problem("unexpected", words, correlation=correlation)
