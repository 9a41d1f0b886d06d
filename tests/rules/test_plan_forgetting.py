"""Answers for a plan without somebody: they are found however written, and what the others have is not touched."""

from typing import Final

import pytest
from msgspec.structs import replace

from core.message import Status
from core.plan_forgetting import cleared, is_reached_at, without
from core.plan_marks import Mark
from core.plan_requests import Participant, PlanFallback
from core.plan_rows import Kept, decoded_request, encoded_request, grouped, marks_of, seal_plan, unseal_plan
from core.plans import Key
from core.records import Head, Sealed
from core.sealing import commitment_of
from tests.rules.plan_samples import BOB, asked, read

KINDS: Final = ("activation", "day_before")
MARK: Final = Mark(generation=1, message=1, at_us=7, digest=b"one")
MARKS: Final[dict[Key, Mark]] = {
    ("ann", "activation"): MARK,
    ("ann", "day_before"): replace(MARK, message=2),
    ("bob", "activation"): replace(MARK, message=3),
    ("bob", "day_before"): replace(MARK, message=4, is_wanted=False),
}
PLAN: Final = Kept(
    reference="event42",
    request=encoded_request(read(asked(*KINDS))),
    set_us=5,
    is_cancelled=False,
    marks=grouped(MARKS),
    trace="00-aa",
    correlation="c",
)


def head(stream: int, status: Status) -> Head:
    """How a message stands."""
    return Head(stream=stream, kind="msg", shard=0, tenant="org1", version=1, status=status)


HEADS: Final = {1: head(1, "sent"), 2: head(2, "scheduled"), 3: head(3, "sent"), 4: head(4, "cancelled")}


@pytest.mark.parametrize(
    ("channel", "to", "address"),
    [
        ("email", "Ann@Bücher.Example", "Ann@xn--bcher-kva.example"),
        ("whatsapp", "+972 50-123 45 67", "+972501234567"),
        ("webhook", "HTTPS://Hooks.Example:443", "https://hooks.example/"),
        ("push", "ann", "ann"),
    ],
)
def test_somebody_is_found_by_the_normal_form(channel: str, to: str, address: str) -> None:
    """An address of any channel is found in another spelling; no other address is, nor one of another channel."""
    who = Participant(id="ann", channel=channel, to=to)  # type: ignore[arg-type]  # It is one of them.
    assert is_reached_at(who, channel, address)
    assert not is_reached_at(who, channel, f"{address}1")
    assert not is_reached_at(who, "hook", address)


def test_somebody_is_found_by_a_fallback() -> None:
    """Any of several ways to reach them is theirs; one that no rule of today takes is nobody's."""
    ways = (PlanFallback(channel="email", to="ann@Example.COM"), PlanFallback(channel="whatsapp", to="12"))
    who = Participant(id="ann", channel="push", to="ann", fallback=ways)
    assert is_reached_at(who, "email", "ann@example.com")
    assert not is_reached_at(who, "email", "Ann@example.com")
    assert not is_reached_at(who, "whatsapp", "+12")


def test_a_plan_without_somebody_is_as_if_it_had_been_set_so() -> None:
    """The request is the one that a caller would send; their open messages are withdrawn, and nothing else changes."""
    after = without(PLAN, {"ann"}, HEADS)
    assert decoded_request(after) == read(asked(*KINDS, people=(BOB,)))
    assert after.request == encoded_request(read(asked(*KINDS, people=(BOB,))))
    assert marks_of(after) == MARKS | {
        ("ann", "activation"): replace(MARK, is_wanted=False),
        ("ann", "day_before"): replace(MARK, message=2, is_wanted=False, todo="withdraw"),
    }
    unchanged = replace(after, request=PLAN.request, marks=PLAN.marks, forgotten=())
    assert (unchanged, after.forgotten) == (PLAN, ("ann",))


def test_nothing_of_them_is_kept_once_it_has_happened() -> None:
    """Neither the name of somebody nor a message of theirs; a plan that forgets nobody is the same."""
    after = cleared(without(PLAN, {"ann"}, HEADS))
    assert (list(after.marks), after.forgotten) == (["bob"], ())
    row = seal_plan(after, bytes(16))[0]
    assert b"ann@" not in row
    assert b"Ann" not in row
    assert cleared(PLAN) is PLAN


def test_a_plan_that_has_nobody_left_is_called_off() -> None:
    """One that still has somebody is not, and one that was called off stays so."""
    assert without(PLAN, {"ann", "bob"}, HEADS).is_cancelled
    assert not without(PLAN, {"bob"}, HEADS).is_cancelled
    assert without(replace(PLAN, is_cancelled=True), {"bob"}, HEADS).is_cancelled


def test_rows_of_an_earlier_release_forget_nobody() -> None:
    """A row that was written before plans could forget is read as it was meant."""
    body, _ = seal_plan(PLAN, bytes(16))
    # An array of seven instead of eight, without the empty one at its end.
    before = b"\x97" + body[1:-1]
    assert (body[:1], body[-1:]) == (b"\x98", b"\x90")
    sealed = Sealed(stream=1, tenant="org1", subject=b"", salt=bytes(16), private=before)
    assert unseal_plan(sealed, commitment_of(before, bytes(16))) == PLAN
