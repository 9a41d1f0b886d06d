"""What must be true after a storm over several daemons, and how long nobody sent each time.

Answers for every promise being judged from the log's own words and the sinks' own books.
"""

import statistics
from typing import Final

import msgspec

from tests.cluster.clients import Load
from tests.cluster.lightning import Strike
from tests.cluster.storm import Aftermath
from tests.promises import test_storm as one_daemon
from tests.storm import storm as one

# What a process may end with: a kill, a stop in order, or that another one took its place.
_KILLED, _STOPPED, _REPLACED = -9, 0, 1
_ENDS: Final = {_KILLED, _STOPPED, _REPLACED}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted, and the seconds from each kill of the acting daemon to the first attempt of another one."""

    counted: dict[str, int]
    takeovers_s: list[float]

    def told(self) -> str:
        """For a person."""
        took = " ".join(f"{seconds:.1f}" for seconds in self.takeovers_s)
        middle = f", {statistics.median(self.takeovers_s):.1f} in the middle" if self.takeovers_s else ""
        return f"{self.counted}\nfrom a kill of the acting daemon to the next attempt: {took} s{middle}"


def judge(after: Aftermath, load: Load) -> Verdict:
    """Everything that must hold of one daemon holds of several: nothing lost, in order, within limits, none in vain."""
    weather = one.Weather(
        messages=load.messages, conversations=load.conversations, kills=0, per_s=load.per_lane_s, seed=load.seed
    )
    counted = one_daemon.judge(
        one.Aftermath(
            accepted=after.accepted, books=after.books, story=after.story, starts=0, exit_status=after.ends[0][-1]
        ),
        weather,
    )
    assert not after.crashes, after.crashes[:3]
    assert not after.falling, "a daemon wrote after another one had taken over"
    ends = [end for each in after.ends for end in each]
    assert set(ends) <= _ENDS, after.ends
    assert {each[-1] for each in after.ends} == {_STOPPED}, after.ends
    return Verdict(
        counted={
            **counted,
            "kills": sum(strike.what == "kill" for strike in after.strikes),
            "freezes": sum(strike.what == "freeze" for strike in after.strikes),
            "of the acting one": sum(strike.acted for strike in after.strikes),
            "takeovers": len(after.first_attempts) - 1,
            "replaced": ends.count(_REPLACED),
        },
        takeovers_s=takeovers_s(after.strikes, after.first_attempts),
    )


def takeovers_s(strikes: list[Strike], first_attempts: list[int]) -> list[float]:
    """For each kill of the acting daemon the seconds until another one began its first attempt."""
    took = []
    for strike in strikes:
        later = [at_us for at_us in first_attempts if at_us > strike.at_us]
        if strike.what == "kill" and strike.acted and later:
            took.append((min(later) - strike.at_us) / 1e6)
    return took
