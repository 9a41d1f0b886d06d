"""Law 10: no address, no content and no unsalted hash of either is found in any event."""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, get_args

import msgspec

from core.events import ReceiptStatus
from scenarios.file.readings import filled
from scenarios.file.wishes import Device
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding

# Shorter texts are found by accident.
_CHARS_MIN: Final = 6
_HASHES: Final = (hashlib.sha256, hashlib.sha1, hashlib.md5, hashlib.blake2b, hashlib.blake2s)
_NUMBER_BYTES: Final = 8
# The worlds of one file say much the same, seed after seed: so many requests and texts are worked out but once.
_KNOWN_MAX: Final = 4_096
# What a client asks for and is nobody's secret: these fields stand in events as they are.
_OPEN: Final = ("channel", "lane", "order", "on_ambiguous", "policy", "time_zone")

_DECODER: Final = msgspec.msgpack.Decoder()


def nothing_private_is_recorded(evidence: Evidence) -> Iterator[Finding]:
    """Searches what the log holds for everything that clients said, in any of the forms that give it away."""
    seen = _Seen(evidence)
    # Many say the same, or write to the same peer: each text is looked for once.
    said: dict[str, str] = {}
    for key, text in _said(evidence):
        if len(text) >= _CHARS_MIN and text not in seen.names:
            said.setdefault(text, key)
    for text, key in said.items():
        secret = text.encode()
        if text in seen.everything or secret in seen.blob:
            yield Finding(words=f"what {key} says or whom it is for stands in an event, in the open")
        elif seen.has_hash_of(secret):
            yield Finding(words=f"an unsalted hash of what {key} says or whom it is for stands in an event")


class _Seen:
    """Every value that stands in any event."""

    def __init__(self, evidence: Evidence) -> None:
        self.texts: dict[str, None] = {}
        self._bytes: dict[bytes, None] = {}
        self._numbers: set[int] = set()
        self._take([_DECODER.decode(body) for body in dict.fromkeys(row[10] for row in evidence.durable.rows)])
        self.everything = "\n".join(self.texts)
        self.blob = b"\n".join(self._bytes)
        lanes, policies = evidence.scenario.settings.lanes, evidence.scenario.settings.policies
        self.names = {
            *(lane.name for lane in lanes),
            *policies,
            *(subject.tenant for subject in evidence.subjects.values()),
            # A provider's ids are its own words for our messages, ours stand in what it tells of them.
            *(name for handed in evidence.books.handed for name in (handed.provider_id, handed.message)),
            *get_args(ReceiptStatus),
        }

    def has_hash_of(self, secret: bytes) -> bool:
        """Whether a hash of it, whole or cut to a number, stands in an event."""
        raw, in_hex, numbers = _hashes_of(secret)
        # Asked of the views, since a set that is asked about a dictionary goes through all of it.
        return not (
            self._bytes.keys().isdisjoint(raw)
            and self.texts.keys().isdisjoint(in_hex)
            and self._numbers.isdisjoint(numbers)
        )

    def _take(self, waiting: list[Any]) -> None:
        """Takes in values with all that is in them. What was decoded is of the very types that are asked for."""
        texts, numbers, raw = self.texts, self._numbers, self._bytes
        # The list grows as it is gone through.
        for value in waiting:
            kind = type(value)
            if kind is str:
                texts[value] = None
            elif kind is int:
                numbers.add(value)
            elif kind is dict:
                waiting += value
                waiting += value.values()
            elif kind is list:
                waiting += value
            elif kind is bytes:
                raw[value] = None


@lru_cache(_KNOWN_MAX)
def _hashes_of(secret: bytes) -> tuple[frozenset[bytes], frozenset[str], frozenset[int]]:
    """All forms in which a hash of it might stand somewhere: bytes, whole or cut, hexadecimal, and a number."""
    digests = [make(secret).digest() for make in _HASHES]
    numbers = [int.from_bytes(digest[:_NUMBER_BYTES]) for digest in digests]
    return (
        frozenset(part for digest in digests for part in (digest, digest[:16])),
        frozenset(digest.hex() for digest in digests),
        frozenset(part for number in numbers for part in (number, number >> 1, number >> 1 | 1)),
    )


def _said(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Everything that anybody outside said about people, and who said it."""
    for key, body in evidence.bodies.items():
        yield key, evidence.subjects[key].to
        for text in _private(body):
            yield key, text
    for wish in evidence.wishes:
        if isinstance(wish.asked, Device):
            for text in (wish.asked.user, wish.asked.device, wish.asked.token):
                yield wish.key, filled(text, wish.number)


@lru_cache(_KNOWN_MAX)
def _private(body: bytes) -> tuple[str, ...]:
    """Every text of a request that belongs in the vault."""
    asked: dict[str, object] = msgspec.json.decode(body)
    return tuple(text for name, value in asked.items() if name not in _OPEN for text in _texts(value))


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for part in value:
                yield from _texts(part)
        case dict():
            for part in value.values():
                yield from _texts(part)
        case _:
            pass
