"""The proof that a capsule holds nothing of the vault: every private text of every message is looked for in the file.

This file answers for the search. It must never show what it found: a leak is told by its kind and its message alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from core.alternatives import unsealed_fallbacks
from core.ids import encode
from core.records import Private, Sealed

# Shorter texts are in any file: "en", "5", "yes".
_LEAST_CHARS: Final = 5
_PRIVATE: Final = msgspec.msgpack.Decoder(Private)


def leaks(text: str, rows: Iterable[Sealed], ours: str) -> list[str]:
    """Every kind of private text that stands in a capsule, with its message.

    `ours` is what a capsule says whatever anybody wrote: a message that says the same has not given anything away.
    """
    found: list[str] = []
    for row in rows:
        kinds = {kind for kind, private in private_texts(_PRIVATE.decode(row.private)) if _is_in(private, text, ours)}
        found += [f"{kind} of {encode('msg', row.stream)}" for kind in sorted(kinds)]
    return found


def private_texts(private: Private) -> Iterator[tuple[str, str]]:
    """Every text that the vault holds of a message, with its kind."""
    yield "address", private.to
    yield from (("content", text) for text in _texts(private.content))
    for kind, value in (
        ("reference", private.reference),
        ("correlation", private.correlation),
        ("idempotency key", private.idempotency_key),
    ):
        if value is not None:
            yield kind, value
    if private.metadata is not None:
        yield from (("metadata", text) for text in _texts(private.metadata))
    for other in unsealed_fallbacks(private.fallbacks):
        yield "address", other.to
        yield from (("content", text) for text in _texts(other.content))


def _is_in(private: str, text: str, ours: str) -> bool:
    if len(private) < _LEAST_CHARS or private not in text or private in ours:
        return False
    # A number or a word within a longer one is chance: spans and draws are full of digits.
    return not private.isalnum() or re.search(rf"(?<![\w.]){re.escape(private)}(?![\w.])", text) is not None


def _texts(encoded: bytes) -> Iterator[str]:
    try:
        value = msgspec.json.decode(encoded)
    except msgspec.DecodeError:
        return
    yield from _leaves(value)


def _leaves(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for part in value:
                yield from _leaves(part)
        case Mapping():
            for name, part in value.items():
                yield str(name)
                yield from _leaves(part)
        case _:
            pass
