"""What the other side answers instead of taking a request: the values of `answer`, and what each of them means.

This file answers for the closed set of answers. A value that is none of them raises Unfit with what was expected.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal, cast, get_args

import msgspec

from adapters.config.units import Unfit, choice, fraction, span, text, whole
from core import outcomes as o
from core.policies import SECOND_US

Word = Literal["timeout", "reset", "lost_reply", "refused", "duplicate", "reorder", "malformed", "intercepted"]
# What only a wire can do: see `wire` in LaneTable.
Bytewise = Literal["stalled", "truncated", "half_closed", "garbage", "split", "drip", "stale"]
Kind = Word | Bytewise | Literal["status", "slow", "outcome"]
BYTES: Final[tuple[Bytewise, ...]] = get_args(Bytewise)
WORDS: Final[tuple[Word | Bytewise, ...]] = (*get_args(Word), *BYTES)
# Those that nobody takes: they never get to the other side.
LOST: Final[frozenset[Kind]] = frozenset({"timeout", "reset", "refused", "intercepted"})
# Those that the other side takes, whatever we hear of it.
TAKEN: Final[frozenset[Kind]] = frozenset({"slow", "lost_reply", "duplicate", "reorder", "malformed"})
# What a provider says in words of its own comes to one of these at once.
OUTCOMES: Final[Mapping[str, o.Failure]] = {
    "permanent": o.Permanent(code="permanent"),
    "transient": o.Transient(code="transient"),
    "recipient": o.Recipient(code="recipient"),
    "optout": o.OptOut(code="optout"),
    "config": o.Config(code="config"),
    "hold": o.Hold(code="hold"),
    "window": o.Window(code="window"),
}

_POSITIVE: Final = span(least_us=1_000)
_SHARE: Final = fraction(0, 1)
_STATUS: Final = whole(100, 599)
_NAMES: Final = ", ".join(f'"{word}"' for word in OUTCOMES)
_QUOTED: Final = ", ".join(f'"{word}"' for word in WORDS)
_EXPECTED: Final = (
    f"{_QUOTED}, {_NAMES}, or a table such as"
    ' { status = 503, headers = { Retry-After = "30" }, share = 0.5 }, { slow = "20s" } or'
    ' { rate = "pair", after = "1s", growth = 4 }'
)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the other side does with a request instead of taking it.

    On a wire, all of these taken but the last: the answer is `stalled` or `truncated` at a drawn byte, the line
    `half_closed` without one, `garbage` comes in its place, everything is `split` into single bytes, or comes as a
    `drip` of them; a line that was used before is `stale`, and what is sent on it never arrives.

    `timeout` and `reset`: it never arrives. `lost_reply`: it is taken, and the connection breaks before we hear of it.
    `refused`: nobody listens. `slow`: it is taken, and the answer comes so much later. `duplicate`: it is taken, and
    reaches whom it is for twice. `reorder`: it is taken, and gets there up to `within_us` later than it should.
    `malformed`: it is taken, and the answer makes no sense; `intercepted`: somebody in between answers with nonsense,
    and passes nothing on. `outcome`: an answer whose meaning is given. `share` of the requests meets it.
    """

    kind: Kind
    status: int = 0
    headers: dict[str, str] = {}
    body: str = ""
    slow_us: int = 0
    within_us: int = 10 * SECOND_US
    outcome: o.Failure | None = None
    share: float | None = None


def answer(raw: object) -> Answer:
    """One of the ways in which the other side fails."""
    for word in WORDS:
        if raw == word:
            return Answer(kind=word)
    if isinstance(raw, str) and raw in OUTCOMES:
        return Answer(kind="outcome", outcome=OUTCOMES[raw])
    if not isinstance(raw, dict):
        raise Unfit(_EXPECTED)
    rest = {str(name): value for name, value in raw.items()}
    share = cast("float | None", _part(rest, "share", _SHARE))
    found = _detailed(rest)
    if found is None:
        raise Unfit(_EXPECTED)
    if rest:
        raise Unfit(f"none beside {' and '.join(key for key in raw if key not in rest)}", within=min(rest))
    return msgspec.structs.replace(found, share=share)


def failure(raw: object) -> o.Failure:
    """What a provider says afterwards of a message that it had taken, in the words of an answer."""
    found = answer(raw)
    if found.outcome is None or found.share is not None:
        raise Unfit(f'{_NAMES}, or a table such as {{ recipient = "soft" }}')
    return found.outcome


def _part(rest: dict[str, object], key: str, reading: Callable[[object], object]) -> object:
    """One value of the table, which is taken out of it; None where it is not there."""
    if key not in rest:
        return None
    try:
        return reading(rest.pop(key))
    except Unfit as unfit:
        raise Unfit(str(unfit), within=unfit.within or key) from None


def _detailed(rest: dict[str, object]) -> Answer | None:
    """The answer in a table, from which everything that belongs to it is taken out; None where there is none."""
    if "status" in rest:
        status = cast("int", _part(rest, "status", _STATUS))
        headers = cast("dict[str, str] | None", _part(rest, "headers", _headers))
        return Answer(
            kind="status", status=status, headers=headers or {}, body=cast("str", _part(rest, "body", _body) or "")
        )
    if "slow" in rest:
        return Answer(kind="slow", slow_us=cast("int", _part(rest, "slow", _POSITIVE)))
    if rest.get("reorder", True) is not True:
        return Answer(kind="reorder", within_us=cast("int", _part(rest, "reorder", _POSITIVE)))
    for word in WORDS:
        if word in rest:
            _part(rest, word, _true)
            return Answer(kind=word)
    for name, reading in _OUTCOMES.items():
        if name in rest:
            outcome = cast("o.Failure", _part(rest, name, partial(reading, rest)))
            code = _part(rest, "code", text)
            return Answer(
                kind="outcome",
                outcome=outcome if code is None else msgspec.structs.replace(outcome, code=cast("str", code)),
            )
    return None


def _rate(rest: dict[str, object], raw: object) -> o.Failure:
    scope = cast("o.RateScope", choice("pair", "sender", "account", "lane")(raw))
    growth = cast("int | None", _part(rest, "growth", whole(1, 100)))
    return o.Rate(code="rate", scope=scope, after_us=_after_us(rest), growth=growth or 1)


def _transient(rest: dict[str, object], raw: object) -> o.Failure:
    _true(raw)
    retries_max = cast("int | None", _part(rest, "retries_max", whole(0, 1_000)))
    return o.Transient(code="transient", after_us=_after_us(rest), retries_max=retries_max)


def _hold(_rest: dict[str, object], raw: object) -> o.Failure:
    return o.Hold(code="hold", after_us=cast("int", _POSITIVE(raw)))


def _recipient(_rest: dict[str, object], raw: object) -> o.Failure:
    return o.Recipient(code="recipient", soft=_is(raw, "soft"))


def _optout(_rest: dict[str, object], raw: object) -> o.Failure:
    return o.OptOut(code="optout", marketing=_is(raw, "marketing"))


def _plain(outcome: o.Failure) -> Callable[[dict[str, object], object], o.Failure]:
    def read(_rest: dict[str, object], raw: object) -> o.Failure:
        _true(raw)
        return outcome

    return read


# The key of each in a table, with what its value narrows.
_OUTCOMES: Final[Mapping[str, Callable[[dict[str, object], object], o.Failure]]] = {
    "rate": _rate,
    "transient": _transient,
    "hold": _hold,
    "recipient": _recipient,
    "optout": _optout,
    **{word: _plain(OUTCOMES[word]) for word in ("permanent", "config", "window")},
}


def _after_us(rest: dict[str, object]) -> int | None:
    """How long it asks to wait, None where it does not."""
    return cast("int | None", _part(rest, "after", _POSITIVE))


def _true(raw: object) -> bool:
    if raw is not True:
        raise Unfit("true")
    return True


def _is(raw: object, word: str) -> bool:
    if raw is not True and raw != word:
        raise Unfit(f'true or "{word}"')
    return raw == word


def _headers(raw: object) -> dict[str, str]:
    if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
        raise Unfit('headers as a table of texts, such as { Retry-After = "30" }')
    return {str(name).lower(): value for name, value in raw.items()}


def _body(raw: object) -> str:
    if not isinstance(raw, str):
        raise Unfit("a body as a text")
    return raw
