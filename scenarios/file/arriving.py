"""Which messages are asked for, and when: an [[arrive]] table under a seed, one request a message.

This file answers for each message being drawn by its own key, so that taking one out leaves all others as they were.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from core.policies import SECOND_US
from scenarios.draws import Draws
from scenarios.file.readings import filled
from scenarios.file.tables import Arrive, FallbackTable
from scenarios.file.updates import meta_body, stripe_event, written_to_us

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A client that sends twice does so within this time.
_REPEATED_WITHIN_US: Final = 5 * SECOND_US

# What a message says where the file does not care.
_CONTENTS: Final[Mapping[str, Mapping[str, object]]] = {
    "email": {"subject": "Your appointment {n}", "text": "We are looking forward to seeing you, number {n}."},
    "whatsapp": {"text": "See you tomorrow, number {n}"},
    "push": {"title": "News for {n}", "body": "Something happened that concerns number {n}"},
    "webhook": {"type": "order.created", "data": {"order": "order number {n}"}},
}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a client. `key` names the message in this world (`name/number`), `nth` counts its calls from 1.

    `body` is what is posted; `at_us` is since the start. `has_key` tells whether it may be repeated without harm. Of a
    hook, `hook` is the source and `updates` the keys of all that it brings, `key` being the first of them.
    """

    key: str
    nth: int
    at_us: int
    tenant: str
    body: bytes
    has_key: bool
    hook: str = ""
    updates: tuple[str, ...] = ()
    forged: bool = False


def name_of(arrive: Arrive, index: int) -> str:
    """The table's name; the first without one is `a1`."""
    return arrive.name if arrive.name is not None else f"a{index + 1}"


def requests_of(arrive: Arrive, start_us: int, draws: Draws) -> Iterator[Request]:
    """Every call that the clients of one table make, repeated ones right behind their first."""
    assert arrive.name is not None, "a compiled table has a name"
    if arrive.hook is not None:
        yield from _hooks_of(arrive, start_us, draws)
        return
    for number in range(arrive.number, arrive.number + arrive.count):
        key = f"{arrive.name}/{number}"
        at_us = arrive.at_us + _offset_us(arrive, number, draws)
        request = Request(
            key=key,
            nth=1,
            at_us=at_us,
            tenant=arrive.tenant,
            body=body_of(arrive, number, start_us, at_us),
            has_key=arrive.idempotency_key is not None,
        )
        yield request
        yield from _repeated(arrive, request, draws)


def _repeated(arrive: Arrive, request: Request, draws: Draws) -> Iterator[Request]:
    if draws.happens(arrive.repeat, "repeat", request.key):
        again_us = arrive.repeat_after_us
        if again_us is None:
            again_us = draws.integer("repeated after", request.key, below=_REPEATED_WITHIN_US)
        yield msgspec.structs.replace(request, nth=2, at_us=request.at_us + again_us)


def _hooks_of(arrive: Arrive, start_us: int, draws: Draws) -> Iterator[Request]:
    """What a source sends: each update in its turn, several together when the last of them is there."""
    assert arrive.hook is not None, "these are hooks"
    beyond = arrive.number + arrive.count
    for first in range(arrive.number, beyond, arrive.batch):
        numbers = range(first, min(first + arrive.batch, beyond))
        keys = tuple(f"{arrive.name}/{number}" for number in numbers)
        at_us = arrive.at_us + max(_offset_us(arrive, number, draws) for number in numbers)
        request = Request(
            key=keys[0],
            nth=1,
            at_us=at_us,
            tenant="",
            body=_hook_body(arrive, numbers, start_us + at_us),
            has_key=True,
            hook=arrive.hook,
            updates=keys,
            forged=draws.happens(arrive.forged, "forged", keys[0]),
        )
        yield request
        if not request.forged:
            yield from _repeated(arrive, request, draws)


def _hook_body(arrive: Arrive, numbers: range, at_us: int) -> bytes:
    """Stripe's one event, or what people wrote over WhatsApp."""
    if arrive.to:
        people = [(f"{arrive.name}/{number}", filled(arrive.to, number)) for number in numbers]
        return meta_body("messages", [written_to_us(key, address, at_us) for key, address in people], at_us)
    (number,) = numbers
    content = _filled(arrive.content or {}, number)
    assert isinstance(content, Mapping), "a content is a table"
    return stripe_event(f"{arrive.name}/{number}", content, at_us)


def _offset_us(arrive: Arrive, number: int, draws: Draws) -> int:
    if not arrive.over_us or arrive.arrivals == "burst":
        return 0
    if arrive.arrivals == "poisson":
        # Given their number, the instants of a Poisson process are spread evenly at random: one draw for each.
        return draws.integer("arrival", arrive.name or "", number, below=arrive.over_us)
    return arrive.over_us * (number - arrive.number) // arrive.count


def body_of(arrive: Arrive, number: int, start_us: int, at_us: int) -> bytes:
    """What the client of one message posts."""
    optional = {
        "idempotency_key": arrive.idempotency_key and filled(arrive.idempotency_key, number),
        "reference": arrive.reference and filled(arrive.reference, number),
        "send_at": None if arrive.send_at_us is None else _moment(start_us + arrive.send_at_us),
        "failover": arrive.failover,
        "fallback": [_fallback(table, number) for table in arrive.fallback] or None,
        "fallback_by": None if arrive.fallback_by_us is None else _moment(start_us + at_us + arrive.fallback_by_us),
        "expires_at": None if arrive.expires_after_us is None else _moment(start_us + at_us + arrive.expires_after_us),
        "lane": arrive.lane,
        "order": arrive.order,
        "priority": arrive.priority,
        "on_ambiguous": arrive.on_ambiguous,
        "policy": arrive.policy,
        "time_zone": arrive.time_zone,
    }
    asked = {
        "channel": arrive.channel,
        "to": filled(arrive.to, number),
        "content": _filled(arrive.content or _CONTENTS[arrive.channel], number),
        **{name: value for name, value in optional.items() if value is not None},
    }
    return msgspec.json.encode(asked)


def _fallback(table: FallbackTable, number: int) -> dict[str, object]:
    asked = {
        "channel": table.channel,
        "to": filled(table.to, number),
        "content": _filled(table.content or _CONTENTS[table.channel], number),
    }
    return asked if table.lane is None else {**asked, "lane": table.lane}


def _filled(value: object, number: int) -> object:
    match value:
        case str():
            return filled(value, number)
        case list():
            return [_filled(part, number) for part in value]
        case Mapping():
            return {name: _filled(part, number) for name, part in value.items()}
        case _:
            return value


def _moment(instant_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=instant_us)
