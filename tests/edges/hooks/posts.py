"""Answers for requests as they come in at the door, and for bending them.

It must never sign: vectors.py and the providers' own libraries do.
"""

from collections.abc import Iterable
from typing import Final

import pytest
from msgspec.structs import replace

from adapters.hooks.requests import BadSignature, RawHook, Reason
from adapters.hooks.verifying import Verifier

AT_S: Final = 1_767_225_600  # 2026-01-01T00:00:00Z
SECOND_US: Final = 1_000_000
NOW_US: Final = (AT_S + 1) * SECOND_US

Headers = Iterable[tuple[str, str]]


def post(body: bytes, headers: Headers = (), *, raw_path: str = "/hooks/source") -> RawHook:
    """A POST; every one of them has some headers that no scheme asks for."""
    usual = (("Host", "internal:8420"), ("User-Agent", "Provider/1.0"), ("Accept", "*/*"))
    return RawHook(method="POST", raw_path=raw_path, headers=(*usual, *headers), body=body)


def without(hook: RawHook, name: str) -> RawHook:
    """The same without one header."""
    left = tuple(pair for pair in hook.headers if pair[0].lower() != name.lower())
    assert len(left) < len(hook.headers), f"the hook has no {name}"
    return replace(hook, headers=left)


def bent(hook: RawHook, name: str, value: str) -> RawHook:
    """The same with another value for one header."""
    changed = without(hook, name)
    return replace(changed, headers=(*changed.headers, (name, value)))


def told(hook: RawHook, name: str) -> str:
    """What one header says."""
    return next(value for given, value in hook.headers if given.lower() == name.lower())


def assert_accepted(verifier: Verifier, hook: RawHook, *, now_us: int = NOW_US) -> None:
    """The hook is genuine: nothing is raised."""
    verifier.verify(hook, now_us)


def assert_refused(verifier: Verifier, hook: RawHook, *reasons: Reason, now_us: int = NOW_US) -> None:
    """The hook is refused, for one of the reasons where some are named."""
    with pytest.raises(BadSignature) as raised:
        verifier.verify(hook, now_us)
    assert not reasons or raised.value.reason in reasons
