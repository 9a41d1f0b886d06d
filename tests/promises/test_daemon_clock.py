"""Answers for the clock and the chance of a daemon: what the machine does to its clocks, and what a draw depends on."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from actors.bell import Bell
from adapters.chance import KeyedChance, SystemSecrets
from adapters.clock import SystemClock, wall_us

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 30, 8, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
# The integers that msgpack can hold, which no id exceeds.
_keys = st.lists(st.one_of(st.integers(-(2**63), 2**64 - 1), st.text()), max_size=4).map(tuple)


def test_log_time_starts_at_the_log_where_the_wall_is_behind() -> None:
    """A daemon whose machine lost an hour carries on at the log's last instant and says how far back the wall is."""
    with freeze_time(START, real_asyncio=True) as frozen:
        clock = SystemClock(floor_us=START_US + 3_600_000_000)
        assert clock.now_us() == START_US + 3_600_000_000
        assert clock.behind_us() == 3_600_000_000
        frozen.tick(timedelta(hours=2))
        assert clock.now_us() == wall_us() == START_US + 7_200_000_000
        assert clock.behind_us() == 0


def test_a_wall_clock_that_is_set_back_does_not_take_log_time_with_it() -> None:
    """After a step back of an hour the next reading is not before the last one."""
    with freeze_time(START, real_asyncio=True) as frozen:
        clock = SystemClock(floor_us=0)
        before_us = clock.now_us()
        frozen.move_to(START - timedelta(hours=1))
        assert clock.now_us() >= before_us


async def test_a_sleep_ends_when_the_wall_steps_over_its_end() -> None:
    """A machine that wakes from a suspend finds within a slice that the awaited instant has passed."""
    with freeze_time(START, real_asyncio=True) as frozen:
        clock = SystemClock(floor_us=0, slice_us=1_000)
        woken = anyio.Event()

        async def sleeper() -> None:
            await clock.sleep_until(START_US + 3_600_000_000)
            woken.set()

        async with anyio.create_task_group() as group:
            group.start_soon(sleeper)
            await anyio.wait_all_tasks_blocked()
            assert not woken.is_set()
            frozen.tick(timedelta(hours=1))
            with anyio.fail_after(10):
                await woken.wait()


async def test_a_sleep_never_ends_before_its_instant() -> None:
    """On the machine's own clocks a sleep of twenty milliseconds ends when log time has got there."""
    clock = SystemClock(floor_us=0)
    until_us = clock.now_us() + 20_000
    await clock.sleep_until(until_us)
    assert clock.now_us() >= until_us


async def test_an_alarm_rings_when_the_wall_steps_over_its_instant() -> None:
    """A wait for an hour ends within a slice of the wall clock's step over it; a cancelled alarm is silent."""
    with freeze_time(START, real_asyncio=True) as frozen:
        clock = SystemClock(floor_us=0, slice_us=1_000)
        bell, rung = Bell(clock), anyio.Event()
        cancelled = clock.alarm(START_US + 3_600_000_000, rung.set)
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(bell.wait, START_US + 3_600_000_000)
                await anyio.wait_all_tasks_blocked()
                cancelled.cancel()
                frozen.tick(timedelta(hours=1))
        assert not rung.is_set()


async def test_an_alarm_never_rings_before_its_instant() -> None:
    """On the machine's own clocks an alarm in twenty milliseconds rings when log time has got there."""
    clock, rung = SystemClock(floor_us=0), anyio.Event()
    at_us = clock.now_us() + 20_000
    clock.alarm(at_us, rung.set)
    await rung.wait()
    assert clock.now_us() >= at_us


@given(seed=st.integers(0, 2**64 - 1), purpose=st.text(), key=_keys)
def test_a_draw_depends_on_seed_purpose_and_key_alone(seed: int, purpose: str, key: tuple[int | str, ...]) -> None:
    """The same seed, purpose and key draw the same fraction, and a change of any of them draws another."""
    drawn = KeyedChance(seed).draw(purpose, *key)
    assert 0 <= drawn < 1
    assert KeyedChance(seed).draw(purpose, *key) == drawn
    assert KeyedChance(seed ^ 1).draw(purpose, *key) != drawn
    assert KeyedChance(seed).draw(purpose + "x", *key) != drawn
    assert KeyedChance(seed).draw(purpose, *key, 0) != drawn


def test_draws_are_spread_evenly() -> None:
    """Of ten thousand draws each tenth of the range gets about a thousand, and a number is not its own text."""
    chance = KeyedChance(7)
    counts = [0] * 10
    for number in range(10_000):
        counts[int(chance.draw("jitter", number) * 10)] += 1
    assert all(850 < count < 1_150 for count in counts), counts
    assert chance.draw("jitter", 1) != chance.draw("jitter", "1")


def test_a_keyed_hash_needs_the_installation_key() -> None:
    """The same parts hash alike under one key and purpose only, and parts never run into each other."""
    ours, theirs = SystemSecrets(b"a" * 32), SystemSecrets(b"b" * 32)
    assert ours.keyed_hash("subject", "org", "ann") == SystemSecrets(b"a" * 32).keyed_hash("subject", "org", "ann")
    others = [
        theirs.keyed_hash("subject", "org", "ann"),
        ours.keyed_hash("reference", "org", "ann"),
        ours.keyed_hash("subject", "orga", "nn"),
        ours.fresh(16),
        ours.fresh(16),
    ]
    assert len({ours.keyed_hash("subject", "org", "ann"), *others}) == 6
    assert {len(digest) for digest in others} == {16}


def test_no_secret_byte_is_given_twice() -> None:
    """However little is asked for at a time, or however much at once, it is as long as asked for and all new."""
    ours = SystemSecrets(b"a" * 32)
    given = [ours.fresh(count) for count in (16, 24, *[16] * 600, 10_000, 16, 4_096, 24, 0)]
    assert [len(one) for one in given] == [16, 24, *[16] * 600, 10_000, 16, 4_096, 24, 0]
    blocks = [one[at : at + 8] for one in given for at in range(0, len(one), 8)]
    assert len(set(blocks)) == len(blocks)
