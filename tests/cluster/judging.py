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


class Takeover(msgspec.Struct, frozen=True, kw_only=True):
    """The seconds from what struck the acting daemon to another one's first attempt, and what else struck meanwhile."""

    after: str
    took_s: float
    meanwhile: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted, and how long each takeover took."""

    counted: dict[str, int]
    takeovers: list[Takeover]

    def told(self) -> str:
        """For a person."""
        each = [f"{one.after} {one.took_s:.1f} s ({one.meanwhile} more meanwhile)" for one in self.takeovers]
        middle = f"; {statistics.median(one.took_s for one in self.takeovers):.1f} s in the middle" if each else ""
        return (
            f"{self.counted}\nfrom a strike at the acting daemon to the next one's attempt: {', '.join(each)}{middle}"
        )


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
        takeovers=takeovers(after.strikes, after.first_attempts),
    )


def takeovers(strikes: list[Strike], first_attempts: list[int]) -> list[Takeover]:
    """Each takeover since the first daemon began, with the last strike at one that acted before it."""
    found = []
    for at_us in first_attempts[1:]:
        before = [strike for strike in strikes if strike.at_us < at_us]
        struck = [place for place, strike in enumerate(before) if strike.acted and strike.what != "failover"]
        if struck:
            last = before[struck[-1]]
            took_s = (at_us - last.at_us) / 1e6
            found.append(Takeover(after=last.what, took_s=took_s, meanwhile=len(before) - struck[-1] - 1))
    return found
