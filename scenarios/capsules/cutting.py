"""A capsule: the text of a scenario file that tells a stretch of a log again, without a name or a word of anybody.

This file answers for the order of the file and for its heading, which says what the capsule leaves out. It must never
be handed an address or a content; privacy.py proves afterwards that none is in there.
"""

from collections.abc import Iterator
from typing import Final, get_args

import msgspec

from adapters.config.providers import CHANNELS
from adapters.moments import moment
from core.events import OnAmbiguous, Order
from core.policies import DAY_US
from core.settings import Bounds
from scenarios.capsules.answers import answered
from scenarios.capsules.arrivals import HOOK_TYPE, TEMPLATE, TEXT, arrivals, policy_unknown
from scenarios.capsules.lives import account_troubles, ends_of_lives, orders, people
from scenarios.capsules.naming import Cast, cast_of
from scenarios.capsules.outages import Outage, faults_of, outages, providers
from scenarios.capsules.pseudonyms import Pseudonyms
from scenarios.capsules.settings import ORDER_BY, Lanes, lanes_in, tables_of
from scenarios.capsules.several import Several, faults_of_several, several_in, untold_of
from scenarios.capsules.spans import span
from scenarios.capsules.stretch import Stretch
from scenarios.file.answers import OUTCOMES, WORDS
from scenarios.file.tables import ACTIONS
from scenarios.file.writing import text_of

_WIDTH: Final = 118
# How long after its last message is due a capsule may take to come to rest.
_RESTS_US: Final = 30 * DAY_US
_WHY: Final = "What happened in this stretch of the log happens again."
# What every capsule says, whatever its log.
_OURS: Final = (
    *(*CHANNELS, *OUTCOMES, *WORDS, *ACTIONS, TEXT, TEMPLATE["name"], HOOK_TYPE, ORDER_BY, _WHY),
    *(*get_args(OnAmbiguous), *get_args(Order), "block", "park", "accepted", "https"),
)


class Capsule(msgspec.Struct, frozen=True, kw_only=True):
    """The file's text, and what is told of it. `streams` are the messages of whose vault nothing may stand in it.

    `ours` are its words that nobody's message has a part in.
    """

    text: str
    streams: tuple[int, ...]
    ours: str
    messages: int
    carried: int
    answers: int
    outages: int
    left_out: tuple[str, ...]


def capsule_of(stretch: Stretch, key: bytes) -> Capsule:
    """The capsule of a stretch. `key` is fresh and secret: pseudonyms follow from it."""
    cast = cast_of(stretch)
    pseudonyms, lanes = Pseudonyms(stretch.tales, key), lanes_in(stretch, cast)
    found = outages(stretch, cast, pseudonyms)
    tenant_of = {tale.accepted.lane: pseudonyms.tenant(tale) for tale in cast.asked if tale.accepted.channel == "hook"}
    answers, several = list(answered(stretch, cast)), several_in(stretch)
    ends = ends_of_lives(stretch) if several is None else faults_of_several(stretch, several)
    tree = {
        **_head(stretch, cast, several),
        **tables_of(lanes, tenant_of),
        "arrive": list(arrivals(stretch, cast, pseudonyms, lanes, several=several)),
        "provider": list(providers(cast)),
        "fault": [*faults_of(found), *ends, *account_troubles(stretch, lanes)],
        "peer": list(people(stretch, cast)),
        "operator": orders(stretch, cast, lanes),
        "answered": answers,
        "expect": _expected(cast),
    }
    body = text_of({key: value for key, value in tree.items() if value not in ([], {})})
    headings = [line for line in body.splitlines() if line.startswith("[")]
    left_out = tuple(_left_out(stretch, cast, lanes, several))
    comment = list(_comment(stretch, cast, found, left_out))
    zones = {tale.accepted.zone or "" for tale in cast.asked}
    return Capsule(
        text="\n".join([*comment, "", body]),
        ours="\n".join(
            [
                *(*_OURS, *comment, text_of(_head(stretch, cast, several)), *lanes.lanes, *lanes.policies, *zones),
                *(*headings, *_keys(tree)),
            ]
        ),
        streams=tuple(tale.stream for tale in stretch.tales),
        messages=len(cast.tales),
        carried=sum(1 for tale in cast.tales.values() if tale.is_carried),
        answers=len(answers),
        outages=len(found),
        left_out=left_out,
    )


def _head(stretch: Stretch, cast: Cast, several: Several | None) -> dict[str, object]:
    due_us = max((tale.due_us for tale in cast.asked), default=0)
    rests_us = _RESTS_US + max(0, due_us - stretch.until_us)
    return {
        "name": f"A capsule of {moment(stretch.since_us):%Y-%m-%d %H:%M} UTC",
        "why": _WHY,
        "start": moment(stretch.since_us),
        "runs_for": span(stretch.until_us - stretch.since_us),
        "rests_within": _days(rests_us),
        "daemons": None if several is None else several.daemons,
        "bounds": _bounds(cast),
    }


def _bounds(cast: Cast) -> dict[str, object]:
    """The bound of instants to come, where the log shows that its own was wider than the usual one."""
    ends = [(tale, max(tale.due_us, tale.accepted.fallback_by_us or 0)) for tale in cast.asked]
    # Some may be asked for a little earlier than they were accepted.
    ahead_us = max((at_us - tale.asked_us for tale, at_us in ends), default=0) + DAY_US
    return {"send_at_max": _days(ahead_us)} if ahead_us > Bounds().send_at_max_us else {}


def _days(span_us: int) -> str:
    return f"{-(-span_us // DAY_US)}d"


def _expected(cast: Cast) -> list[dict[str, object]]:
    """What holds in every run of the file: all that is asked for is taken.

    Whether a fallback begins follows from how the message before it ends, which may be otherwise: under another policy,
    such as the first of several, or where a schedule begins anew.
    """
    least, most = len(cast.asked), len(cast.tales)
    accepted = {"count": most} if least == most else {"at_least": least, "at_most": most}
    return [{"that": "accepted", **accepted}, {"that": "rejected", "count": 0}]


def _left_out(stretch: Stretch, cast: Cast, lanes: Lanes, several: Several | None) -> Iterator[str]:
    """What happened and is not in the file, in a sentence each."""
    for sentence, count in sorted(cast.left_out.items()):
        yield f"{sentence} ({count})"
    if several is not None:
        yield from untold_of(stretch, several)
    carried = sum(1 for tale in cast.tales.values() if tale.is_carried)
    if carried:
        yield f"what messages had been through that were open before ({carried}): their schedules begin anew"
    unknown = sum(1 for tale in cast.asked if policy_unknown(tale.accepted, lanes.policies))
    if unknown:
        yield f"policies that messages named and no lane has ({unknown}): the lane's policy stands for them"
    yield "circuits, breakers, limits' windows and reply windows as they stood before the stretch"
    yield "the time that commits took, but where it is in the time of an attempt"


def _keys(tree: object) -> Iterator[str]:
    """Every key of a file, those within values too: a message's data may well have a `status` of its own."""
    if isinstance(tree, dict):
        yield from tree
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for value in inner:
        yield from _keys(value)


def _comment(stretch: Stretch, cast: Cast, found: list[Outage], left_out: tuple[str, ...]) -> Iterator[str]:
    yield f"# Cut from a log: {moment(stretch.since_us).isoformat()} to {moment(stretch.until_us).isoformat()}."
    yield f"# {len(cast.tales)} messages. Addresses, tenants and hosts are pseudonyms of this file alone, contents are"
    yield "# neutral. An answer stands for its attempt, and for one within a minute of it; beyond that, outages and"
    yield f"# providers of this file decide. Outages seen: {len(found)}. Left out:"
    for sentence in left_out:
        yield f"# - {sentence}"[:_WIDTH]
