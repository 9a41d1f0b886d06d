"""Answers for what a plan changes: every message that was tried is left alone, and nobody gets two of a kind."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.errors import Invalid
from core.message import Status
from core.plan_marks import MARKS_MAX, Mark, changes, check_bounds, staying
from core.plan_rows import Kept, grouped, marks_of, seal_plan, unseal_plan
from core.plans import Key, Wanted
from core.policies import DAY_US, HOUR_US
from core.records import Head, Sealed

NOW_US: Final = 1_000 * DAY_US
LATER_US: Final = NOW_US + DAY_US
KEY: Final = ("ann", "day_before")


def want(
    *,
    at_us: int | None = LATER_US,
    digest: bytes = b"one",
    expires_us: int | None = None,
    key: Key = KEY,
    digest_before: bytes | None = None,
) -> Wanted:
    """One message that is wanted."""
    return Wanted(
        key=key,
        participant=0,
        reminder=0,
        at_us=at_us,
        expires_us=expires_us,
        digest=digest,
        digest_before=digest_before,
    )


def head(status: Status = "scheduled", *, attempts: int = 0, stream: int = 7) -> Head:
    """How its message stands."""
    return Head(stream=stream, kind="msg", shard=0, tenant="org1", version=1, status=status, attempts=attempts)


HAD: Final = Mark(generation=1, message=7, at_us=LATER_US, digest=b"one")
GONE: Final = replace(HAD, is_wanted=False)


def after(wanted: Wanted | None, mark: Mark | None, present: Head | None = None) -> tuple[Mark | None, str]:
    """The mark that a plan comes to for one participant and kind, and why there will be no message."""
    found = changes(
        [] if wanted is None else [wanted],
        {} if mark is None else {KEY: mark},
        {} if present is None else {7: present},
        now_us=NOW_US,
    )
    return found.marks.get(KEY), "".join(skip.why for skip in found.skipped)


def test_what_is_new_is_made() -> None:
    """A message that was never there is made, at its moment or at once."""
    assert after(want(), None) == (replace(HAD, message=0, todo="make"), "")
    assert after(want(at_us=None), None) == (replace(HAD, message=0, at_us=0, todo="make"), "")


def test_a_moment_that_has_passed_is_not_made_up_for() -> None:
    """What should have gone out before the plan was set is left out and told of; this very instant is not past."""
    assert after(want(at_us=NOW_US - 1), None) == (None, "past")
    assert after(want(at_us=NOW_US), None) == (replace(HAD, message=0, at_us=NOW_US, todo="make"), "")


@pytest.mark.parametrize("status", ["queued", "scheduled"])
def test_the_same_again_changes_nothing(status: Status) -> None:
    """An open message of the same content and moment stays, also where its moment has come meanwhile."""
    assert after(want(), HAD, head(status)) == (HAD, "")
    due = replace(HAD, at_us=NOW_US - HOUR_US)
    assert after(want(at_us=due.at_us), due, head(status)) == (due, "")
    at_once = replace(HAD, at_us=0)
    assert after(want(at_us=None), at_once, head(status)) == (at_once, "")


def test_an_open_message_moves_with_its_event() -> None:
    """It keeps its id; where it has a time to expire, which moves as well, another takes its place."""
    moved_us = LATER_US + DAY_US
    assert after(want(at_us=moved_us), HAD, head()) == (replace(HAD, at_us=moved_us, todo="move"), "")
    made = replace(HAD, generation=2, at_us=moved_us, todo="replace")
    assert after(want(at_us=moved_us, expires_us=moved_us + 1), HAD, head()) == (made, "")


@pytest.mark.parametrize("at_us", [LATER_US, LATER_US + HOUR_US, NOW_US - 1])
def test_an_open_message_moves_with_its_receiver(at_us: int) -> None:
    """Where all that differs is their time zone it keeps its id, whether its moment stays, moves, or has come."""
    had = replace(HAD, at_us=LATER_US if at_us > NOW_US else at_us)
    elsewhere = want(at_us=at_us, digest=b"there", digest_before=b"one")
    moved = replace(had, at_us=at_us, digest=b"there", todo="move")
    assert after(elsewhere, had, head()) == (moved, "")
    made = replace(moved, generation=2, todo="replace")
    assert after(replace(elsewhere, expires_us=at_us + DAY_US), had, head()) == (made, "")
    assert after(replace(elsewhere, digest_before=b"neither"), had, head()) == (made, "")


def test_another_content_is_another_message() -> None:
    """The one before it is replaced, and its key is not used again."""
    made = replace(HAD, generation=2, digest=b"two", todo="replace")
    assert after(want(digest=b"two"), HAD, head()) == (made, "")


def test_a_message_that_moves_into_the_past_is_withdrawn() -> None:
    """It is not sent late; should the event move back, another is made."""
    assert after(want(at_us=NOW_US - 1), HAD, head()) == (replace(GONE, todo="withdraw"), "past")
    assert after(want(at_us=NOW_US - 1), GONE, head("cancelled")) == (GONE, "past")
    assert after(want(), GONE, head("cancelled")) == (replace(HAD, generation=2, todo="make"), "")


TRIED: Final[tuple[Status, ...]] = ("sending", "retrying", "held", "sent", "delivered", "read", "failed", "dead")


@pytest.mark.parametrize("status", TRIED)
def test_what_was_tried_is_left_alone(status: Status) -> None:
    """Neither another moment nor another content changes a message that may have arrived."""
    for wanted in (want(at_us=LATER_US + DAY_US), want(digest=b"two"), want(at_us=NOW_US - 1)):
        assert after(wanted, HAD, head(status, attempts=1)) == (HAD, "")


def test_a_person_who_cancels_one_message_is_heeded() -> None:
    """What somebody cancelled by itself stays cancelled as long as the plan wants it."""
    for wanted in (want(), want(at_us=LATER_US + DAY_US), want(digest=b"two")):
        assert after(wanted, HAD, head("cancelled")) == (HAD, "")


def test_what_expired_untried_is_made_again_for_another_moment() -> None:
    """Nobody got it, so an event that moves reminds of itself again; one that was tried may have arrived."""
    made = replace(HAD, generation=2, at_us=LATER_US + DAY_US, todo="make")
    assert after(want(at_us=LATER_US + DAY_US), HAD, head("expired")) == (made, "")
    assert after(want(at_us=LATER_US + DAY_US), HAD, head("expired", attempts=1)) == (HAD, "")
    assert after(want(), HAD, head("expired")) == (HAD, "")


@pytest.mark.parametrize("status", ["queued", "scheduled", "sending", "retrying", "held"])
def test_what_is_no_longer_wanted_is_withdrawn(status: Status) -> None:
    """Whatever is open ends: its participant or kind is no longer in the plan."""
    assert after(None, HAD, head(status, attempts=1)) == (replace(GONE, todo="withdraw"), "")
    assert after(None, GONE, head(status, attempts=1)) == (GONE, "")


@pytest.mark.parametrize("status", ["sent", "delivered", "dead", "cancelled", "expired"])
def test_what_has_ended_is_only_remembered(status: Status) -> None:
    """Nothing is to be done about a message that is over, and who left and returns does not get it twice."""
    assert after(None, HAD, head(status)) == (GONE, "")


def test_who_returns_gets_what_they_did_not_get() -> None:
    """A message that was withdrawn untried is made again; one that was taken is theirs; for others nobody knows."""
    assert after(want(), GONE, head("cancelled")) == (replace(HAD, generation=2, todo="make"), "")
    assert after(want(), GONE, head("sent", attempts=1)) == (HAD, "")
    assert after(want(), GONE, head("cancelled", attempts=1)) == (GONE, "tried")
    assert after(want(), GONE, head("sending", attempts=1)) == (GONE, "in_flight")


def test_a_message_that_was_erased_is_no_more() -> None:
    """A mark whose message left no head is kept; once it was withdrawn, another can be made."""
    assert after(want(), HAD) == (HAD, "")
    assert after(want(), GONE) == (replace(HAD, generation=2, todo="make"), "")


def test_nothing_is_planned_too_far_ahead() -> None:
    """A message to be made or moved beyond the bound is refused with its reminder's place; what is there may stay."""
    found = changes([want(at_us=LATER_US)], {}, {}, now_us=NOW_US)
    check_bounds(found, [want()], now_us=NOW_US, send_at_max_us=DAY_US)
    with pytest.raises(Invalid, match="/reminders/0: lies more than 1 days ahead"):
        check_bounds(found, [want()], now_us=NOW_US - 1, send_at_max_us=DAY_US)
    kept = changes([want()], {KEY: HAD}, {7: head()}, now_us=NOW_US)
    check_bounds(kept, [want()], now_us=NOW_US, send_at_max_us=1)


def test_a_plan_remembers_so_many_and_no_more() -> None:
    """People who come and go all their life need another reference some day."""
    marks = {(f"p{number}", "day_before"): HAD for number in range(MARKS_MAX)}
    found = changes([], marks, {}, now_us=NOW_US)
    check_bounds(found, [], now_us=NOW_US, send_at_max_us=DAY_US)
    found = changes([want()], marks, {}, now_us=NOW_US)
    with pytest.raises(Invalid, match="another reference"):
        check_bounds(found, [want()], now_us=NOW_US, send_at_max_us=DAY_US)


# -- any history ---------------------------------------------------------------------------------------------------

PEOPLE: Final = ("ann", "bob", "cid")
KINDS: Final = ("activation", "week_before", "day_before")


@st.composite
def plans(draw: st.DrawFn) -> list[Wanted]:
    """Some people, some kinds, moments around now, and one of two contents each."""
    keys = draw(st.sets(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(KINDS))))
    return [
        want(
            key=key,
            at_us=None if key[1] == "activation" else NOW_US + draw(st.integers(-2, 6)) * HOUR_US,
            digest=draw(st.sampled_from([b"one", b"two"])),
            expires_us=draw(st.none() | st.just(NOW_US + 20 * DAY_US)),
        )
        for key in sorted(keys)
    ]


class World:
    """Messages as the actors keep them: made, moved and cancelled as marks say, sent or not as chance has it."""

    def __init__(self) -> None:
        self.heads: dict[int, Head] = {}
        self.marks: dict[Key, Mark] = {}
        # Who got what: (key, digest) of every message that was taken.
        self.arrived: list[tuple[Key, bytes]] = []
        self.made: set[tuple[Key, int]] = set()

    def apply(self, wanted: list[Wanted], now_us: int) -> int:
        """Sets a plan and carries it out; answers how much was to do."""
        found = changes(wanted, self.marks, self.heads, now_us=now_us)
        todo = 0
        for key, mark in found.marks.items():
            todo += bool(mark.todo)
            found.marks[key] = self._done(key, mark)
        self.marks = found.marks
        return todo

    def _done(self, key: Key, mark: Mark) -> Mark:
        if mark.todo in ("withdraw", "replace"):
            self.heads[mark.message] = replace(self.heads[mark.message], status="cancelled")
        if mark.todo in ("make", "replace"):
            assert (key, mark.generation) not in self.made, "a key is used once"
            self.made.add((key, mark.generation))
            stream = len(self.heads) + 1
            self.heads[stream] = head("scheduled", stream=stream)
            return replace(mark, message=stream, todo="")
        return replace(mark, todo="")

    def send(self, key: Key) -> None:
        """The present message for somebody is taken, if it is open and wanted."""
        mark = self.marks.get(key)
        if mark is None or self.heads[mark.message].status != "scheduled":
            return
        self.heads[mark.message] = replace(self.heads[mark.message], status="sent", attempts=1)
        self.arrived.append((key, mark.digest))


STEPS: Final = st.lists(plans() | st.tuples(st.sampled_from(PEOPLE), st.sampled_from(KINDS)), min_size=1, max_size=8)


@given(steps=STEPS, later_us=st.integers(0, 10 * HOUR_US))
def test_a_plan_that_was_applied_comes_to_nothing_more(steps: list[list[Wanted] | Key], later_us: int) -> None:
    """Whatever came before, setting the same plan again changes nothing, however much later that is."""
    world = World()
    for step in steps:
        if not isinstance(step, list):
            world.send(step)
            continue
        world.apply(step, NOW_US)
        marks = dict(world.marks)
        assert world.apply(step, NOW_US + later_us) == 0
        assert world.marks == marks
        assert all(mark.message in world.heads for mark in marks.values())


@given(steps=STEPS)
def test_nobody_gets_two_of_a_kind(steps: list[list[Wanted] | Key]) -> None:
    """However often a plan is set while its messages go out, each participant gets each kind once at most."""
    world = World()
    for step in steps:
        if isinstance(step, list):
            world.apply(step, NOW_US)
        else:
            world.send(step)
    keys = [key for key, _ in world.arrived]
    assert len(keys) == len(set(keys))


@given(first=plans(), second=plans())
def test_what_is_open_is_what_is_wanted(first: list[Wanted], second: list[Wanted]) -> None:
    """After two plans and nothing sent between, all that the second wants and is not past is open, as it wants it."""
    world = World()
    world.apply(first, NOW_US)
    world.apply(second, NOW_US)
    kept = {key: mark for key, mark in world.marks.items() if world.heads[mark.message].status == "scheduled"}
    due = {want.key: want for want in second if want.at_us is None or want.at_us >= NOW_US}
    assert kept.keys() == due.keys()
    for key, wanted in due.items():
        assert (kept[key].digest, kept[key].at_us) == (wanted.digest, wanted.at_us or 0)
    assert staying(world.marks) == len(kept)


MARKS: Final = st.builds(
    Mark,
    generation=st.integers(1, 3),
    message=st.integers(0, 2**63 - 1),
    at_us=st.integers(0, 2**53),
    digest=st.binary(max_size=8),
    is_wanted=st.booleans(),
    todo=st.sampled_from(["", "make", "move", "replace", "withdraw"]),
)


@given(marks=st.dictionaries(st.tuples(st.text(), st.text()), MARKS))
def test_what_the_vault_keeps_is_what_there_was(marks: dict[Key, Mark]) -> None:
    """Marks come back from their row as they were, and a row that was changed is noticed."""
    kept = Kept(reference="event42", request=b"{}", set_us=NOW_US, is_cancelled=True, marks=grouped(marks))
    body, commitment = seal_plan(kept, bytes(16))
    row = Sealed(stream=5, tenant="org1", subject=b"", salt=bytes(16), private=body)
    assert marks_of(unseal_plan(row, commitment)) == marks
    with pytest.raises(Exception, match="not what its plan committed to"):
        unseal_plan(replace(row, salt=bytes(15) + b"1"), commitment)
