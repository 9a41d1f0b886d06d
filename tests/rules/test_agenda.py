"""Answers for the agenda's windows: whatever is forgotten in between, whoever is due is found, in time and in order."""

from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.agenda import AgendaWindow
from core.records import AgendaRow
from tests.rules.waiting_rows import Waiting

_conversations: Final = st.integers(1, 12)
_soon: Final = st.integers(0, 20)


def _window(*, fresh_max: int = 4, deferred_max: int = 2, is_complete: bool = True) -> AgendaWindow:
    return AgendaWindow(fresh_max=fresh_max, deferred_max=deferred_max, is_complete=is_complete)


def _rows(*dues_us: int, first: int = 1) -> list[AgendaRow]:
    """A page of conversations `first`, `first` + 1, ... that are due at these instants."""
    return [
        AgendaRow(due_us=due_us, stream=1_000 + number, conversation=number, host=None)
        for number, due_us in enumerate(dues_us, first)
    ]


def _drain(window: AgendaWindow, now_us: int) -> list[int]:
    found = []
    while window.peek(now_us) is not None:
        found.append(window.pop().conversation)
    return found


class Interleaving(RuleBasedStateMachine):
    """Arrivals, retries, blocks, expiries, pages and permits in any sequence, with bounds of a few entries."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Waiting(AgendaWindow(fresh_max=2, deferred_max=1, is_complete=True), page_rows=2)
        self.fresh_max = self.deferred_max = 0

    @initialize(fresh_max=st.integers(2, 5), deferred_max=st.integers(1, 3), backlog=st.lists(_soon, max_size=12))
    def begin(self, fresh_max: int, deferred_max: int, backlog: list[int]) -> None:
        """The daemon starts over a log that already holds something."""
        self.fresh_max, self.deferred_max = fresh_max, deferred_max
        complete = AgendaWindow(fresh_max=fresh_max, deferred_max=deferred_max, is_complete=True)
        self.world = Waiting(complete, page_rows=fresh_max)
        for conversation, in_us in enumerate(backlog, 1):
            self.world.arrive(conversation, is_fifo=True, in_us=in_us, lives_us=None, is_awake=False)
        if backlog:
            self.world.window = AgendaWindow(fresh_max=fresh_max, deferred_max=deferred_max, is_complete=False)

    @rule(
        conversation=_conversations,
        is_fifo=st.booleans(),
        in_us=_soon,
        lives_us=st.one_of(st.none(), st.integers(1, 30)),
        is_awake=st.booleans(),
    )
    def arrive(self, conversation: int, *, is_fifo: bool, in_us: int, lives_us: int | None, is_awake: bool) -> None:
        self.world.arrive(
            conversation,
            is_fifo=is_fifo,
            in_us=in_us,
            lives_us=lives_us if conversation == 1 else None,
            is_awake=is_awake,
        )

    @rule(passed_us=st.integers(1, 15))
    def pass_time(self, passed_us: int) -> None:
        self.world.now_us += passed_us

    @rule()
    def ask_page(self) -> None:
        self.world.ask_page()

    @precondition(lambda self: self.world.page is not None)
    @rule(is_whole=st.booleans())
    def bring_page(self, *, is_whole: bool) -> None:
        self.world.bring_page(is_whole=is_whole)

    @rule(then=st.sampled_from(["deliver", "retry", "block", "fly"]), after_us=st.integers(1, 40))
    def serve(self, then: str, after_us: int) -> None:
        self.world.serve(then=then, after_us=after_us)

    @rule(conversation=_conversations)
    def land(self, conversation: int) -> None:
        if conversation in self.world.peers and self.world.peers[conversation].is_flying:
            self.world.land(conversation)

    @rule()
    def settle(self) -> None:
        self.world.settle()
        assert self.world.overdue() == []
        next_us = self.world.window.next_us()
        assert next_us is None or next_us > self.world.now_us, "the scheduler would spin"

    @invariant()
    def wakes_in_time(self) -> None:
        """Sleeping until `next_us` never oversleeps what is truly wanted; a page on its way rings by itself."""
        wanted_us = self.world.next_us()
        if wanted_us is None or self.world.page is not None:
            return
        next_us = self.world.window.next_us()
        assert next_us is not None, "something waits, and the window would sleep for ever"
        assert next_us <= max(wanted_us, self.world.now_us)
        assert not self.world.window.is_empty

    @invariant()
    def stays_small(self) -> None:
        """However much waits, memory holds half as much again as its bounds, and one page."""
        window = self.world.window
        fresh = len(window) - window.deferred
        assert 0 <= fresh <= self.fresh_max * 3 // 2 + self.fresh_max
        assert 0 <= window.deferred <= max(1, self.deferred_max * 3 // 2)


def test_nothing_due_is_ever_lost_or_late() -> None:
    """In any interleaving of arrivals, pages, permits and cuts, everything is served at the instant it is due."""
    searched = settings(max_examples=settings().max_examples * 3 // 2, stateful_step_count=60)
    run_state_machine_as_test(Interleaving, settings=searched)


def test_entries_come_by_instant_and_then_as_they_were_put() -> None:
    """Who is due first goes first; of those due at the same instant, who came first."""
    window = _window(fresh_max=10)
    for conversation, ready_us in ((1, 30), (2, 10), (3, 20), (4, 10)):
        window.remind(conversation, ready_us, stored_us=ready_us, host=None)
    assert window.next_us() == 10
    assert _drain(window, 20) == [2, 4, 3]
    assert window.peek(29) is None
    assert (window.next_us(), len(window)) == (30, 1)


def test_a_reminder_replaces_what_was_known() -> None:
    """A conversation stands in a window once, with its newest instant, and can be taken off."""
    window = _window()
    window.remind(1, 10, stored_us=10, host=None)
    window.remind(1, 50, stored_us=10, host=7)
    assert (len(window), window.deferred, window.ready_us_of(1)) == (1, 1, 50)
    window.remind(1, 20, stored_us=20, host=None)
    assert (window.deferred, window.next_us()) == (0, 20)
    window.forget(1)
    window.forget(1)
    assert window.is_empty
    assert window.next_us() is None


def test_what_lies_beyond_the_cursor_is_left_to_the_log() -> None:
    """A window that has read up to an instant keeps nothing fresh beyond it, and asks for it in time."""
    window = _window(is_complete=False)
    window.start_reading()
    window.loaded(_rows(10, 20), is_last=False)
    window.remind(9, 21, stored_us=21, host=None)
    assert window.ready_us_of(9) is None
    assert _drain(window, 20) == [1, 2]
    assert window.next_us() == 20
    assert window.wants_page(20)


def test_what_comes_while_a_page_is_read_is_kept() -> None:
    """The page may have been read a moment too early to hold it."""
    window = _window(is_complete=False)
    window.start_reading()
    window.remind(9, 15, stored_us=15, host=None)
    window.loaded(_rows(10, 20), is_last=False)
    assert _drain(window, 20) == [1, 9, 2]


def test_a_page_leads_no_further_than_what_was_cut_while_it_was_read() -> None:
    """What memory lost meanwhile may be missing in the page as well, so it is read once more."""
    window = _window(is_complete=False, fresh_max=2)
    window.start_reading()
    for conversation in range(1, 5):
        window.remind(conversation, 10 * conversation, stored_us=10 * conversation, host=None)
    window.loaded(_rows(100, 110, first=8), is_last=True)
    assert window.cursor is not None
    assert window.cursor.due_us <= 30
    assert _drain(window, 20) == [1, 2]


def test_those_who_wait_for_later_do_not_hide_those_who_are_due() -> None:
    """However many entries a window holds for tomorrow, it reads on while nothing is ready and more may be."""
    window = _window(is_complete=False)
    window.start_reading()
    for conversation in range(1, 5):
        window.remind(conversation, 900, stored_us=900, host=None)
    window.failed()
    assert window.wants_page(0)
    window.start_reading()
    window.loaded(_rows(5, first=9), is_last=False)
    assert _drain(window, 5) == [9]


def test_a_cut_never_skips_what_was_not_read() -> None:
    """Entries far beyond the cursor that come during a read and go again do not make the window read on from there."""
    window = _window(is_complete=False, fresh_max=2)
    window.start_reading()
    window.loaded(_rows(100), is_last=False)
    assert _drain(window, 100) == [1]
    window.start_reading()
    for conversation in range(2, 6):
        window.remind(conversation, 500, stored_us=500, host=None)
    window.failed()
    assert window.cursor is not None
    assert window.cursor.due_us == 100


def test_a_window_that_reads_has_nothing_else_to_wake_for() -> None:
    """Until the page is here only its own entries count, or whoever waits for it would spin."""
    window = _window(is_complete=False, deferred_max=1)
    window.start_reading()
    for conversation in range(1, 4):
        window.remind(conversation, 10 + conversation, stored_us=0, host=None)
    assert _drain(window, 13) == [1]
    assert window.next_us() is None
    window.failed()
    assert window.next_us() == -1


def test_the_end_of_a_messages_time_is_kept_though_its_due_instant_lies_beyond() -> None:
    """A retry of tomorrow that expires today wakes its conversation today."""
    window = _window(is_complete=False)
    window.start_reading()
    window.loaded(_rows(10), is_last=False)
    window.remind(9, 15, stored_us=500, host=None)
    assert _drain(window, 15) == [1, 9]


def test_deferred_ones_that_do_not_fit_are_read_again_in_time() -> None:
    """Of those held until later the latest go first, and the log is asked again when the first of them is ready."""
    window = _window(deferred_max=2)
    for conversation, ready_us in ((1, 40), (2, 30), (3, 20), (4, 10)):
        window.remind(conversation, ready_us, stored_us=conversation, host=None)
    assert (window.deferred, _drain(window, 25)) == (2, [4, 3])
    assert window.next_us() == 30
    assert not window.wants_page(29)
    assert window.wants_page(30)
    assert window.start_reading().due_us == 1


def test_memory_does_not_grow_with_reminders() -> None:
    """A conversation that changes its mind a thousand times leaves a bounded trace."""
    window = _window()
    for ready_us in range(10_000, 0, -1):
        window.remind(1, ready_us, stored_us=ready_us, host=None)
    assert len(window._heap) < 100  # noqa: SLF001 - what has gone stale is nowhere else to be seen


def test_reading_where_everything_is_known_is_a_bug() -> None:
    """A complete window has no place in the log to go on from."""
    with pytest.raises(AssertionError, match="nothing to read"):
        _window().start_reading()
