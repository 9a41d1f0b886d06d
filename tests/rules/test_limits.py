"""Answers for limits: no window anywhere holds more than its count, and nothing waits that need not."""

from random import Random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.limits import UNKNOWN, Bound, Scope, host_bound, lane_bound, recipient_bound, tenant_bound
from core.policies import MINUTE_US, PRESETS, SECOND_US, Limits, Quota
from tests.rules.samples import NOW_US

_quotas: Final = st.builds(Quota, count=st.integers(1, 4), window_us=st.integers(1, 40))
_bounds: Final = st.builds(
    Bound,
    quotas=st.lists(_quotas, max_size=3).map(tuple),
    concurrency=st.one_of(st.none(), st.integers(1, 4)),
)
# What may happen next: time passes, somebody asks for a permit, one is used, one comes back.
_steps: Final = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(1, 30)),
        st.tuples(st.just("take"), st.just(0)),
        st.tuples(st.just("take"), st.just(0)),
        st.tuples(st.just("use"), st.integers(0, 5)),
        st.tuples(st.just("use"), st.integers(0, 5)),
        st.tuples(st.just("return"), st.integers(0, 5)),
    ),
    max_size=60,
)


class Model:
    """The plain reading: every hand-over ever, and how many permits are out, counted anew at each question."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.sent_us: list[int] = []
        self.unsent = 0
        self.out = 0

    def has_room(self, now_us: int) -> bool:
        """Whether one more permit, however late it is used, keeps every window within its count."""
        if self.bound.concurrency is not None and self.out >= self.bound.concurrency:
            return False
        return all(self.in_window(quota, now_us) + self.unsent < quota.count for quota in self.bound.quotas)

    def in_window(self, quota: Quota, now_us: int) -> int:
        """Hand-overs in the window that ends now."""
        return sum(1 for instant in self.sent_us if now_us - quota.window_us < instant)


class Run:
    """A scope and its model, fed with the same permits."""

    def __init__(self, bound: Bound) -> None:
        self.scope, self.model = Scope(bound), Model(bound)
        self.now_us = NOW_US
        # Permits that are out: False until something was handed over under them.
        self.permits: list[bool] = []

    def step(self, kind: str, which: int) -> None:
        match kind:
            case "pass":
                self.now_us += which
            case "take":
                room_us = self.scope.room_at()
                if room_us != UNKNOWN and room_us <= self.now_us:
                    self._take()
            case "use" if self.permits and not self.permits[which % len(self.permits)]:
                self._use(which % len(self.permits))
            case "return" if self.permits:
                self._give_back(which % len(self.permits))
            case _:
                pass

    def _take(self) -> None:
        self.permits.append(False)
        self.scope.take()
        self.model.out += 1
        self.model.unsent += 1

    def _use(self, which: int) -> None:
        self.permits[which] = True
        self.scope.handed_over(self.now_us)
        self.model.sent_us.append(self.now_us)
        self.model.unsent -= 1

    def _give_back(self, which: int) -> None:
        is_used = self.permits.pop(which)
        self.scope.give_back(unused=not is_used)
        self.model.out -= 1
        self.model.unsent -= not is_used


@given(bound=_bounds, steps=_steps)
@settings(max_examples=3 * settings().max_examples)
def test_no_window_ever_holds_more_than_its_count(bound: Bound, steps: list[tuple[str, int]]) -> None:
    """Whatever is taken, used late, used never or given back: in every window, wherever it starts, the count holds."""
    run = Run(bound)
    for kind, which in steps:
        run.step(kind, which)
    for quota in bound.quotas:
        for start_us in run.model.sent_us:
            within = [instant for instant in run.model.sent_us if start_us <= instant < start_us + quota.window_us]
            assert len(within) <= quota.count, (quota, within)


@given(bound=_bounds, steps=_steps)
@settings(max_examples=3 * settings().max_examples)
def test_room_is_never_early_and_never_needlessly_late(bound: Bound, steps: list[tuple[str, int]]) -> None:
    """A scope names exactly the first instant at which the plain reading has room, as long as nothing else happens."""
    run = Run(bound)
    for kind, which in steps:
        run.step(kind, which)
        room_us = run.scope.room_at()
        if room_us == UNKNOWN:
            assert not run.model.has_room(run.now_us + 1_000)
            continue
        first_us = max(run.now_us, room_us)
        assert run.model.has_room(first_us)
        assert first_us == run.now_us or not run.model.has_room(first_us - 1)


@given(bound=_bounds, steps=_steps)
def test_a_scope_remembers_no_more_than_it_must(bound: Bound, steps: list[tuple[str, int]]) -> None:
    """Its memory is bounded by its counts, and what it calls idle may be forgotten without anybody noticing."""
    run = Run(bound)
    most = max((quota.count for quota in bound.quotas), default=0)
    for kind, which in steps:
        run.step(kind, which)
        windows = sum(instant >= run.now_us - bound.window_us for instant in run.model.sent_us)
        assert len(run.scope.sent_us) <= max(windows, 2 * most + 1)
        if run.scope.is_idle(run.now_us):
            assert run.scope.room_at() <= run.now_us
            assert run.model.has_room(run.now_us)
            assert all(run.scope.used(quota, run.now_us) == 0 for quota in bound.quotas)


@given(bound=_bounds, steps=_steps)
def test_what_people_see_is_what_is_counted(bound: Bound, steps: list[tuple[str, int]]) -> None:
    """The shown use of a quota is the hand-overs of its present window and the permits that are out."""
    run = Run(bound)
    for kind, which in steps:
        run.step(kind, which)
    for quota in bound.quotas:
        assert run.scope.used(quota, run.now_us) == run.model.in_window(quota, run.now_us) + run.model.unsent


@given(bound=_bounds, steps=_steps, order=st.randoms(use_true_random=False))
def test_a_restart_counts_the_same(bound: Bound, steps: list[tuple[str, int]], order: Random) -> None:
    """A new scope that is told the hand-overs of the log, in whatever order, has room at the same instant."""
    run = Run(bound)
    for kind, which in steps:
        run.step(kind, which)
    while run.permits:
        run.step("return", 0)
    told = Scope(bound)
    shuffled = list(run.model.sent_us)
    order.shuffle(shuffled)
    for instant in shuffled:
        told.note(instant)
    assert max(told.room_at(), run.now_us) == max(run.scope.room_at(), run.now_us)


# -- what a policy's limits come to --------------------------------------------------------------------------------


def _starts_s(bound: Bound, *, for_s: int) -> list[float]:
    """When attempts start, in seconds, if everybody is always ready and each takes no time at all."""
    scope, now_us, starts = Scope(bound), 0, list[float]()
    while now_us < for_s * SECOND_US:
        scope.take()
        scope.handed_over(now_us)
        scope.give_back(unused=False)
        starts.append(now_us / SECOND_US)
        now_us = max(now_us, scope.room_at())
    return starts


def test_thirty_a_minute_go_at_once_and_then_a_minute_passes() -> None:
    """Without a burst of its own a quota may be spent back to back."""
    starts = _starts_s(tenant_bound(PRESETS["whatsapp"].limits), for_s=121)
    assert starts == [0.0] * 30 + [60.0] * 30 + [120.0] * 30


def test_a_gap_is_the_smallest_pause_between_two() -> None:
    """Two seconds between any two of a lane."""
    assert _starts_s(lane_bound(PRESETS["whatsapp"].limits), for_s=10) == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_a_burst_goes_back_to_back_at_the_rates_own_pace() -> None:
    """30 a minute in bursts of five: five at once, five more when a sixth of the minute has passed."""
    limits = Limits(tenant=Quota(count=30, window_us=MINUTE_US), burst=5)
    assert _starts_s(tenant_bound(limits), for_s=30) == [0.0] * 5 + [10.0] * 5 + [20.0] * 5


@given(count=st.integers(1, 500), window_us=st.integers(1, 10**11), burst=st.integers(1, 600))
def test_a_burst_never_widens_a_rate(count: int, window_us: int, burst: int) -> None:
    """The rate itself always stays in force, and the burst's own pace is no faster than it."""
    rate = Quota(count=count, window_us=window_us)
    quotas = tenant_bound(Limits(tenant=rate, burst=burst)).quotas
    assert quotas[0] == rate
    for quota in quotas[1:]:
        assert quota.count == burst < count
        assert quota.count * window_us <= count * quota.window_us


def test_each_limit_bounds_its_own_scope() -> None:
    """Lane, tenant, recipient and host are told apart, and concurrency belongs to lane and host."""
    lane, tenant, recipient = (Quota(count=count, window_us=MINUTE_US) for count in (1, 2, 3))
    limits = Limits(lane=lane, tenant=tenant, recipient=recipient, concurrency=7, host_concurrency=3)
    assert lane_bound(limits) == Bound(quotas=(lane,), concurrency=7)
    assert tenant_bound(limits) == Bound(quotas=(tenant,))
    assert recipient_bound(limits) == Bound(quotas=(recipient,))
    assert host_bound(limits) == Bound(concurrency=3)
    assert tenant_bound(Limits()).is_free
    assert not host_bound(Limits()).is_free


def test_concurrency_frees_with_the_answer_and_rates_with_time() -> None:
    """A permit that is out blocks both; handed over and back, only the rate still counts it."""
    scope = Scope(Bound(quotas=(Quota(count=1, window_us=10),), concurrency=1))
    scope.take()
    assert scope.room_at() == UNKNOWN
    scope.handed_over(NOW_US)
    assert scope.room_at() == UNKNOWN
    scope.give_back(unused=False)
    assert scope.room_at() == NOW_US + 10


def test_a_permit_that_was_not_used_leaves_no_trace() -> None:
    """Nothing was handed over under it, so nobody has to wait for it."""
    scope = Scope(Bound(quotas=(Quota(count=1, window_us=10),)))
    scope.take()
    scope.give_back(unused=True)
    assert scope.room_at() == 0


def test_bookkeeping_that_does_not_add_up_is_a_bug() -> None:
    """A permit cannot come back without having gone out, nor be handed over twice."""
    scope = Scope(Bound())
    with pytest.raises(AssertionError, match="never out"):
        scope.give_back(unused=True)
    scope.take()
    scope.handed_over(NOW_US)
    with pytest.raises(AssertionError, match="without a permit"):
        scope.handed_over(NOW_US)
