"""Answers for ids: they only ever grow, keep within 63 bits, and read back from their outside form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import ids
from core.ids import EPOCH_MS, SHARDS, Mint

START_US = 1_769_760_000_000_000
_numbers = st.integers(0, (1 << 63) - 1)
# A clock that mostly creeps, sometimes stands still, and now and then jumps back by hours.
_jumps = st.lists(st.one_of(st.integers(0, 900), st.integers(-(10**10), 10**10)), min_size=1, max_size=60)


@given(jumps=_jumps, slot=st.integers(0, 1023))
def test_ids_only_ever_grow(jumps: list[int], slot: int) -> None:
    """Whatever the clock does, each id is larger than the one before and names its slot."""
    mint, now_us, before = Mint(slot=slot), START_US, 0
    for jump_us in jumps:
        now_us = max(0, now_us + jump_us)
        fresh = mint.next(now_us)
        assert before < fresh < 1 << 63
        assert fresh >> 12 & 1023 == slot
        before = fresh


@given(jumps=_jumps, restart_us=st.integers(START_US - 10**12, START_US + 10**12), slot=st.integers(0, 1023))
def test_a_restart_goes_on_above_the_largest_id(jumps: list[int], restart_us: int, slot: int) -> None:
    """A mint that is told the largest id of its slot never makes it again, under an earlier clock neither."""
    mint, now_us, largest = Mint(slot=slot), START_US, 0
    for jump_us in jumps:
        now_us = max(0, now_us + jump_us)
        largest = mint.next(now_us)
    assert Mint(slot=slot, floor=largest).next(restart_us) > largest


def test_an_id_tells_its_millisecond() -> None:
    """The highest 41 bits are the milliseconds since 2025, so that ids sort by time."""
    assert Mint().next(START_US) >> 22 == START_US // 1000 - EPOCH_MS
    assert ids.born_ms(Mint(slot=1023).next(START_US)) == START_US // 1000
    assert ids.first_at(START_US // 1000) == Mint().next(START_US)


def test_an_id_tells_who_minted_it() -> None:
    """The ten bits in the middle are its daemon's slot, whatever the counter says."""
    for slot in (0, 1, 1023):
        mint = Mint(slot=slot)
        assert {ids.slot_of(mint.next(START_US)) for _ in range(5_000)} == {slot}


def test_more_ids_than_a_millisecond_holds_borrow_the_next() -> None:
    """The 4,097th id of a millisecond is still larger than the 4,096th and unlike any other."""
    mint = Mint(slot=7)
    made = [mint.next(START_US) for _ in range(10_000)]
    assert sorted(set(made)) == made
    assert made[4096] >> 22 == (made[0] >> 22) + 1


@given(number=_numbers)
def test_the_outside_form_reads_back(number: int) -> None:
    """Every number comes back from its text, in capitals as well, and text sorts as the numbers do."""
    text = ids.encode("msg", number)
    assert len(text) == len("msg_") + 13
    assert ids.decode("msg", text) == number
    assert ids.decode("msg", "msg_" + text[4:].upper()) == number


@given(low=_numbers, high=_numbers)
def test_texts_sort_as_their_numbers(low: int, high: int) -> None:
    """Comparing two outside forms gives what comparing the numbers gives."""
    assert (ids.encode("conv", low) < ids.encode("conv", high)) == (low < high)


def test_letters_that_look_alike_read_alike() -> None:
    """Crockford's rule: o is 0, i and l are 1."""
    assert ids.decode("key", "key_oooooooooooil") == ids.decode("key", "key_0000000000011") == 33


@pytest.mark.parametrize(
    "text",
    [
        "",
        "msg",
        "msg_",
        "conv_0000000000001",
        "MSG_0000000000001",
        "msg_000000000001",
        "msg_00000000000001",
        "msg_000000000000u",
        "msg_000000000000-",
        "msg_00000000 0001",
        "msg_8000000000000",
        "msg_zzzzzzzzzzzzz",
        "msg__000000000001",
        "msg_00000000000é1",
        "msg_000000000000\N{KELVIN SIGN}",
    ],
)
def test_what_is_no_id_is_none(text: str) -> None:
    """Another kind, another length, a foreign letter or more than 63 bits is no id, and nothing is raised."""
    assert ids.decode("msg", text) is None


@given(text=st.text(max_size=20))
def test_decoding_never_raises(text: str) -> None:
    """Any text at all gives a number of 63 bits or None."""
    number = ids.decode("msg", "msg_" + text)
    assert number is None or 0 <= number < 1 << 63


@pytest.mark.parametrize("number", [-1, 1 << 63])
def test_numbers_beyond_63_bits_are_a_bug(number: int) -> None:
    """What no store could hold is never written out."""
    with pytest.raises(AssertionError, match="63 bits"):
        ids.encode("msg", number)


@given(tenant=st.text(max_size=10), conversation=_numbers)
def test_a_shard_is_a_function_of_its_conversation(tenant: str, conversation: int) -> None:
    """The same conversation lies in the same shard on every store, and there are 256 of them."""
    shard = ids.shard_of(tenant, conversation)
    assert shard == ids.shard_of(tenant, conversation)
    assert 0 <= shard < SHARDS == 256


def test_shards_never_move() -> None:
    """These places (by `b2sum -l 8`) are in logs already: another function would tear every log apart."""
    assert [ids.shard_of("org1", 1), ids.shard_of("org1", 2), ids.shard_of("", 1)] == [0xAF, 0xD3, 0x61]


def test_shards_share_evenly() -> None:
    """Ten thousand conversations in a row leave no shard empty and none with three times its share."""
    counts = [0] * SHARDS
    for conversation in range(10_240):
        counts[ids.shard_of("org1", conversation << 12)] += 1
    assert 0 < min(counts) <= max(counts) < 3 * 40
