"""What must be true after a storm over several daemons, and how long nobody sent each time.

Answers for every promise being judged from the log's own words and the sinks' own books.
"""

import statistics
from typing import Final

import msgspec

from tests.cluster.clients import Load
from tests.cluster.storm import Aftermath
from tests.cluster.takeovers import TAKEN_OVER_WITHIN_S, Takeover, takeovers
from tests.promises import test_storm as one_daemon
from tests.storm import storm as one

# What a process may end with: a kill, a stop in order, or that another one took its place.
_KILLED, _STOPPED, _REPLACED = -9, 0, 1
_ENDS: Final = {_KILLED, _STOPPED, _REPLACED}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted, and how long each takeover took."""

    counted: dict[str, int]
    takeovers: list[Takeover]

    def told(self) -> str:
        """For a person."""
        each = ", ".join(one.told() for one in self.takeovers)
        counted = [one.counted_s for one in self.takeovers]
        sum_up = f"; undisturbed {statistics.median(counted):.1f} s in the middle, {max(counted):.1f} s at most"
        return (
            f"{self.counted}\nfrom a strike at the acting daemon to the next one's attempt: {each}"
            f"{sum_up if counted else ''}\n{len(self.late())} took longer than {TAKEN_OVER_WITHIN_S:.0f} s undisturbed"
        )

    def late(self) -> list[Takeover]:
        """Those that took longer than is promised, as far as nothing disturbed them."""
        return [one for one in self.takeovers if one.counted_s > TAKEN_OVER_WITHIN_S]


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
            "kills": sum(moment.what == "kill" for moment in after.moments),
            "freezes": sum(moment.what == "freeze" for moment in after.moments),
            "of the acting one": sum(moment.acted for moment in after.moments),
            "takeovers": sum(moment.what == "sends" for moment in after.moments) - 1,
            "replaced": ends.count(_REPLACED),
        },
        takeovers=takeovers(after.moments),
    )
