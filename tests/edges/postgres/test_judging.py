"""Answers for a takeover that took too long being found, and one that was disturbed being excused by as much."""

import pytest

from tests.cluster.takeovers import Moment, Takeover, What, takeovers

# Three daemons, of which the first acts from the first second on.
_BEGIN = (
    Moment(what="acts", at_us=1_000_000, daemon=0),
    Moment(what="stands by", at_us=2_000_000, daemon=1),
    Moment(what="stands by", at_us=3_000_000, daemon=2),
    Moment(what="sends", at_us=4_000_000, epoch=1),
)


def at(second: int, what: What, daemon: int | None = None, *, acted: bool = False, epoch: int = 0) -> Moment:
    """What happens in a second."""
    return Moment(what=what, at_us=second * 1_000_000, daemon=daemon, acted=acted, epoch=epoch)


def told(*moments: Moment) -> list[tuple[float, float]]:
    """How long each takeover took, and how much of that counts."""
    return [(one.took_s, one.counted_s) for one in takeovers([*_BEGIN, *moments])]


def test_a_takeover_counts_from_its_strike() -> None:
    """Whoever else starts, sends or is killed without having acted is no excuse while one stands by."""
    killed = at(100, "kill", 0, acted=True)
    assert told(killed, at(112, "sends", epoch=2)) == [(12, 12)]
    assert told(killed, at(105, "stands by", 0), at(112, "sends", epoch=2)) == [(12, 12)]
    assert told(killed, at(106, "kill", 1), at(110, "stands by", 1), at(125, "sends", epoch=2)) == [(25, 25)]
    assert takeovers([*_BEGIN, killed, at(112, "sends", epoch=2)])[0].told() == "kill 12.0 s"


def test_nobody_has_to_take_over_from_one_that_did_not_act() -> None:
    """A strike at one that stands by is followed by no takeover, nor is the first attempt of all."""
    assert told(at(100, "kill", 1)) == []
    assert told(at(100, "freeze", 2), at(120, "thaw", 2)) == []


@pytest.mark.parametrize("strike", ["kill", "freeze"])
def test_who_was_struck_as_well_has_an_excuse(strike: What) -> None:
    """Where none stood by all the time it counts from when the first of them does again."""
    both = at(100, "kill", 0, acted=True), at(101, strike, 1), at(102, strike, 2)
    back = at(110, "stands by" if strike == "kill" else "thaw", 2)
    assert told(*both, back, at(123, "sends", epoch=2)) == [(23, 13)]
    assert told(*both, back, at(105, "stands by", 0), at(123, "sends", epoch=2)) == [(23, 18)]


def test_a_database_that_was_away_is_an_excuse() -> None:
    """It counts from when the database was back."""
    killed = at(100, "kill", 0, acted=True)
    assert told(killed, at(105, "database away"), at(107, "database back"), at(120, "sends", epoch=2)) == [(20, 13)]


def test_one_that_goes_on_only_to_end_stands_by_when_it_has_started_again() -> None:
    """A frozen daemon that was replaced meanwhile is nobody who could take over."""
    frozen = at(100, "freeze", 0, acted=True), at(112, "sends", epoch=2), at(120, "thaw", 0)
    killed = at(121, "kill", 1, acted=True), at(122, "kill", 2)
    assert told(*frozen, *killed, at(126, "stands by", 0), at(139, "sends", epoch=3)) == [(12, 12), (18, 13)]


def test_who_had_taken_over_already_and_was_struck_is_an_excuse() -> None:
    """Where an epoch passed in which nothing was sent it counts from the strike that ended it."""
    killed = at(100, "kill", 0, acted=True), at(113, "kill", 1)
    assert told(*killed, at(126, "sends", epoch=3)) == [(26, 13)]
    assert takeovers([*_BEGIN, *killed, at(126, "sends", epoch=3)]) == [
        Takeover(after="kill", took_s=26.0, counted_s=13.0)
    ]
