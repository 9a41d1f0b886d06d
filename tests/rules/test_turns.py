"""Answers for turns: tenants share evenly, what has no room steps aside at no cost, and nobody is left asleep."""

from collections import Counter
from typing import Final

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

from core.policies import Quota
from tests.rules.lane_world import Gates, LaneWorld, Peer

FREE: Final = Gates(tenant=None, peer=None, host_out_max=1_000)


def _peer(tenant: str = "a", *, priority: int = 5, host: int | None = None) -> Peer:
    return Peer(tenant=tenant, priority=priority, host=host, dues_us=[])


def _open(*, tenant: Quota | None = None, peer: Quota | None = None, host_out_max: int = 1_000) -> LaneWorld:
    """A lane with room for hundreds of entries in memory."""
    gates = Gates(tenant=tenant, peer=peer, host_out_max=host_out_max)
    return LaneWorld(gates, page_rows=500, deferred_max=500)


def _granted(world: LaneWorld, count: int) -> list[int]:
    found = [world.grant() for _ in range(count)]
    return [out.conversation for out in found if out is not None]


# -- fairness ----------------------------------------------------------------------------------------------------


def test_tenants_take_turns() -> None:
    """A tenant with a hundred waiting conversations gets no more turns than one with ten, while both wait."""
    world = _open()
    for number in range(100):
        world.arrive(number, _peer("flood"), in_us=0)
    for number in range(100, 110):
        world.arrive(number, _peer("quiet"), in_us=0)
    tenants = [world.peers[number].tenant for number in _granted(world, 110)]
    assert Counter(tenants[:20]) == {"flood": 10, "quiet": 10}
    assert tenants[20:] == ["flood"] * 90


def test_a_new_tenant_waits_one_round_at_most() -> None:
    """Whoever comes last gets its turn before anybody gets a second one."""
    world = _open()
    for number in range(40):
        world.arrive(number, _peer(f"tenant{number % 4}"), in_us=0)
    _granted(world, 10)
    world.arrive(99, _peer("late"), in_us=0)
    assert 99 in _granted(world, 5)


def test_urgent_conversations_of_a_tenant_go_first() -> None:
    """Priority orders what waits within a tenant, by due instant where it is equal, and gives it no extra turn."""
    world = _open()
    for number, priority in ((1, 0), (2, 5), (3, 9), (4, 9)):
        world.arrive(number, _peer("a", priority=priority), in_us=0)
    world.arrive(5, _peer("b", priority=0), in_us=0)
    assert _granted(world, 5) == [3, 5, 4, 2, 1]


# -- parking -----------------------------------------------------------------------------------------------------


def test_a_tenant_without_room_holds_nobody_up() -> None:
    """What has used up its own quota steps aside until the window has passed; others do not notice."""
    world = _open(tenant=Quota(count=2, window_us=100))
    for number in range(10):
        world.arrive(number, _peer("a" if number < 6 else "b"), in_us=0)
    assert len(_granted(world, 10)) == 4
    for which in range(4):
        world.hand_over(which)
    assert (world.grant(), world.ring.next_us()) == (None, 101)
    world.now_us = 101
    assert len(_granted(world, 10)) == 4


def test_a_recipient_without_room_holds_up_none_of_its_tenants_others() -> None:
    """A conversation that has had its share waits alone."""
    world = _open(peer=Quota(count=1, window_us=100))
    for number in (1, 1, 2):
        world.arrive(number, _peer(), in_us=0)
    assert _granted(world, 1) == [1]
    world.hand_over(0)
    world.come_back(0)
    assert _granted(world, 3) == [2]
    assert world.ring.next_us() == 101


def test_a_full_host_holds_up_no_other_host() -> None:
    """Conversations of a host that has no room wait behind it, at no cost, and the next tenant's go on."""
    world = _open(host_out_max=2)
    for number in range(10):
        world.arrive(number, _peer(host=7), in_us=0)
    world.arrive(11, _peer(host=8), in_us=0)
    assert _granted(world, 11) == [0, 1, 11]
    assert world.ring.next_us() is None
    world.come_back(0)
    assert _granted(world, 5) == [2]


def test_all_room_of_a_host_is_used_again_after_an_outage() -> None:
    """Once its only probe is back, a host's waiting conversations fill all of its room, not one place of it."""
    world = _open(host_out_max=3)
    for number in range(10):
        world.arrive(number, _peer(host=7), in_us=0)
    assert _granted(world, 1) == [0]
    world.gates.probed.add(7)
    assert _granted(world, 10) == []
    world.gates.probed.clear()
    world.come_back(0)
    assert _granted(world, 10) == [1, 2, 3]


def test_those_behind_a_throttled_host_go_on_when_it_is_over() -> None:
    """Whoever waited for a permit to come back waits for the instant instead, where the host is throttled meanwhile."""
    world = _open(host_out_max=2)
    for number in range(6):
        world.arrive(number, _peer(host=7), in_us=0)
    assert _granted(world, 10) == [0, 1]
    world.gates.throttled_us[7] = 50
    for _ in range(2):
        world.come_back(0)
    assert _granted(world, 10) == []
    assert world.ring.next_us() == 50
    world.now_us = 50
    assert len(_granted(world, 10)) == 2


def test_a_caller_without_room_of_its_own_does_not_stand_in_the_way() -> None:
    """Where the first behind a host has no room elsewhere, the next one is called."""
    world = _open(peer=Quota(count=1, window_us=100), host_out_max=1)
    for number in (1, 2, 2, 3):
        world.arrive(number, _peer(host=7), in_us=0)
    assert _granted(world, 3) == [1]
    for scope in world.gates.scopes(2, _peer()):
        scope.note(1)
    world.come_back(0)
    assert _granted(world, 3) == [3]


def test_a_slot_that_was_not_used_is_free_at_once() -> None:
    """A tenant that waits for its window to pass goes on as soon as a permit comes back unused."""
    world = _open(tenant=Quota(count=2, window_us=100))
    for number in range(5):
        world.arrive(number, _peer(), in_us=0)
    assert len(_granted(world, 5)) == 2
    world.hand_over(0)
    world.come_back(0)
    assert world.grant() is None
    world.come_back(0)
    assert len(_granted(world, 5)) == 1


def test_a_conversation_waits_behind_its_host_once() -> None:
    """However often its messages arrive meanwhile, it takes one place in the queue of a full host."""
    world = _open(host_out_max=1)
    for number in (1, 2, 3):
        world.arrive(number, _peer(host=7), in_us=0)
    assert _granted(world, 3) == [1]
    for _ in range(50):
        world.arrive(2, _peer(host=7), in_us=0)
        assert world.grant() is None
    world.come_back(0)
    assert _granted(world, 1) == [2]
    world.come_back(0)
    assert _granted(world, 1) == [3]


# -- waking ------------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_turns() -> None:
    """A tenant with something for tomorrow leaves a bounded trace of the thousand messages that it sends today."""
    world = _open()
    world.arrive(1, _peer(), in_us=10**9)
    for _ in range(1_000):
        world.arrive(2, _peer(), in_us=0)
        assert _granted(world, 1) == [2]
        world.come_back(0)
        assert world.grant() is None
        world.now_us += 1
    assert len(world.ring._timers) < 100  # noqa: SLF001 - what has gone stale is nowhere else to be seen


class Interleaving(RuleBasedStateMachine):
    """Arrivals, permits, hand-overs, answers, throttles and pages in any sequence, under limits of a few."""

    def __init__(self) -> None:
        super().__init__()
        self.world = LaneWorld(FREE)

    @initialize(
        count=st.integers(1, 3),
        window_us=st.integers(1, 30),
        host_out_max=st.integers(1, 3),
        stored=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 10)), max_size=12),
    )
    def begin(self, count: int, window_us: int, host_out_max: int, stored: list[tuple[int, int]]) -> None:
        """The daemon starts over a log that already holds something."""
        gates = Gates(
            tenant=Quota(count=count, window_us=window_us),
            peer=Quota(count=1, window_us=window_us // 2 + 1),
            host_out_max=host_out_max,
        )
        self.world = LaneWorld(gates)
        for conversation, in_us in stored:
            self._arrive(conversation, in_us, is_stored=True)
        self.world.restart()

    def _arrive(self, conversation: int, in_us: int, *, is_stored: bool = False) -> None:
        peer = _peer("ab"[conversation % 2], priority=4 + conversation % 3, host=(None, 7, 8)[conversation % 3])
        self.world.arrive(conversation, peer, in_us=in_us, is_stored=is_stored)

    @rule(conversation=st.integers(1, 8), in_us=st.integers(0, 20))
    def arrive(self, conversation: int, in_us: int) -> None:
        self._arrive(conversation, in_us)

    @rule(passed_us=st.integers(1, 20))
    def pass_time(self, passed_us: int) -> None:
        self.world.now_us += passed_us

    @rule()
    def grant(self) -> None:
        self.world.grant()

    @precondition(lambda self: self.world.out)
    @rule(which=st.integers(0, 9))
    def hand_over(self, which: int) -> None:
        self.world.hand_over(which % len(self.world.out))

    @precondition(lambda self: self.world.out)
    @rule(which=st.integers(0, 9), retry_in_us=st.one_of(st.none(), st.integers(0, 30)))
    def come_back(self, which: int, retry_in_us: int | None) -> None:
        self.world.come_back(which % len(self.world.out), retry_in_us=retry_in_us)

    @rule(host=st.sampled_from([7, 8]), for_us=st.integers(1, 30))
    def throttle(self, host: int, for_us: int) -> None:
        until_us = self.world.now_us + for_us
        self.world.gates.throttled_us[host] = max(until_us, self.world.gates.throttled_us.get(host, 0))

    @rule(host=st.sampled_from([7, 8]))
    def probe(self, host: int) -> None:
        """A breaker lets its probe out: until the next permit of the host comes back, nothing else goes there."""
        if any(self.world.peers[out.conversation].host == host for out in self.world.out):
            self.world.gates.probed.add(host)

    @precondition(lambda self: self.world.pages)
    @rule()
    def bring_page(self) -> None:
        self.world.bring_page()

    @rule()
    def settle(self) -> None:
        self.world.settle()
        left = [number for number, could_us in self.world.waiting() if could_us <= self.world.now_us]
        assert left == [], "they wait though every one of their scopes has room"

    @invariant()
    def wakes_in_time(self) -> None:
        """After all that could be granted was, the ring wakes before anybody can start, and does not spin."""
        if self.world.pages or self.world.ring.next_us() == 0 or self.world.settle() or self.world.pages:
            return
        next_us = self.world.ring.next_us()
        assert next_us is None or next_us > self.world.now_us, "the scheduler would spin"
        could_us = min((instant for _, instant in self.world.waiting()), default=None)
        if could_us is not None:
            assert next_us is not None, "somebody waits for time alone, and the ring would sleep for ever"
            assert next_us <= could_us


def test_nobody_waits_though_there_is_room() -> None:
    """In any interleaving, whoever is left waiting lacks room somewhere, and the ring wakes when that is over."""
    searched = settings(max_examples=settings().max_examples * 3 // 2, stateful_step_count=50)
    run_state_machine_as_test(Interleaving, settings=searched)


def test_who_is_known_already_does_not_have_the_turns_of_who_is_read() -> None:
    """After a start the work of all tenants is in the log: nobody is taken before it is known who has any."""
    lane = LaneWorld(FREE)
    for conversation, tenant in enumerate(["noisy", "noisy", "noisy", "quiet"], start=1):
        lane.arrive(conversation, Peer(tenant=tenant, priority=5, host=None, dues_us=[]), in_us=0, is_stored=True)
    lane.restart()
    assert lane.grant() is None
    assert lane.bring_page()
    assert lane.grant() is None
    assert lane.bring_page()
    taken = [lane.grant(), lane.grant()]
    assert {lane.peers[out.conversation].tenant for out in taken if out is not None} == {"noisy", "quiet"}
