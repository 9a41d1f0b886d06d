"""Scenario files as text: a tree of plain values in TOML, and an answer in the words that a file has for it.

This file answers for reading giving back what was written. It must never be asked to keep comments or an order of
keys that somebody chose by hand: it writes what programs made.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from adapters.config.units import shown_span
from core import outcomes as o
from core.outcomes import name_of
from scenarios.file.answers import OUTCOMES, Answer

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# The one character that JSON leaves as it is and TOML does not allow.
_DELETE: Final = "\x7f"


def text_of(tree: Mapping[str, object]) -> str:
    """A whole file. Values are texts, numbers, switches, instants, and lists and tables of them; None is left out."""
    return "\n".join(_table(tree, ())).strip("\n") + "\n"


def _table(table: Mapping[str, object], path: tuple[str, ...]) -> Iterator[str]:
    """The lines of a table: its own values first, since whatever follows a header belongs to that."""
    inner: list[tuple[str, object]] = []
    for key, value in table.items():
        if _has_headers(value, len(path)):
            inner.append((key, value))
        elif value is not None:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in inner:
        below = (*path, key)
        name = ".".join(_key(part) for part in below)
        if isinstance(value, Mapping):
            if not value or not all(_has_headers(part, len(below)) for part in value.values()):
                yield from ("", f"[{name}]")
            yield from _table(value, below)
        elif isinstance(value, Sequence):
            for element in value:
                yield from ("", f"[[{name}]]", *_table(element, (*below, "")))


def _has_headers(value: object, depth: int) -> bool:
    """Whether it is written under a header of its own: files have them two levels deep, and inline tables below."""
    if isinstance(value, Mapping):
        return depth < 2 and (depth == 0 or bool(value))
    return depth == 0 and isinstance(value, list) and bool(value) and all(isinstance(part, Mapping) for part in value)


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return msgspec.json.encode(value).decode().replace(_DELETE, "\\u007f")
        case int() | float():
            return repr(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case Mapping():
            inside = ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items() if part is not None)
            return f"{{ {inside} }}" if inside else "{}"
        case list() | tuple():
            return f"[{', '.join(_value(part) for part in value)}]"
        case _:
            raise TypeError(f"a file has no way to write {value!r}")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def answer_value(answer: Answer) -> object:
    """An answer as the value of `answer`: one word where that says all, else a table."""
    found = _answer_table(answer)
    if answer.share is not None:
        found["share"] = answer.share
    return next(iter(found)) if list(found.values()) == [True] else found


def _answer_table(answer: Answer) -> dict[str, object]:
    match answer.kind:
        case "status":
            headers = {"headers": dict(answer.headers)} if answer.headers else {}
            body = {"body": answer.body} if answer.body else {}
            return {"status": answer.status, **headers, **body}
        case "slow":
            return {"slow": shown_span(answer.slow_us)}
        case "outcome":
            assert answer.outcome is not None, "an outcome is given"
            return _outcome_table(answer.outcome)
        case word if answer.within_us != Answer(kind=word).within_us:
            return {word: shown_span(answer.within_us)}
        case word:
            return {word: True}


def _outcome_table(outcome: o.Failure) -> dict[str, object]:
    found: dict[str, object] = {name_of(outcome): True}
    match outcome:
        case o.Rate():
            growth = outcome.growth if outcome.growth != 1 else None
            found = {"rate": outcome.scope, "after": _span(outcome.after_us), "growth": growth}
        case o.Transient():
            found |= {"after": _span(outcome.after_us), "retries_max": outcome.retries_max}
        case o.Hold(after_us=int() as after_us):
            found = {"hold": shown_span(after_us)}
        case o.Recipient(soft=True):
            found = {"recipient": "soft"}
        case o.OptOut(marketing=True):
            found = {"optout": "marketing"}
        case _:
            pass
    name = name_of(outcome)
    if outcome.code != (OUTCOMES[name].code if name in OUTCOMES else name):
        found["code"] = outcome.code
    return {key: value for key, value in found.items() if value is not None}


def _span(span_us: int | None) -> str | None:
    return None if span_us is None else shown_span(span_us)
