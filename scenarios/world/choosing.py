"""Which messages a part of a scenario means.

This file answers for the one reading of selectors; whoever has one asks here.
"""

from fnmatch import fnmatchcase

import msgspec

from scenarios.file.selecting import Chosen


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A message as selectors see it. `to` is the address in its normal form, `content` the JSON that a channel must be
    handed. `key` is `name/number`, with `+1` behind it for what takes its place, `+2` for what takes that one's.
    """

    key: str
    lane: str
    channel: str
    tenant: str
    to: str
    host: str | None
    content: bytes


def fits(chosen: Chosen, subject: Subject) -> bool:
    """Whether a message is meant."""
    return (
        chosen.lane in (None, subject.lane)
        and chosen.channel in (None, subject.channel)
        and chosen.tenant in (None, subject.tenant)
        and chosen.host in (None, subject.host)
        and chosen.message in (None, subject.key)
        and (chosen.arrivals is None or subject.key.rpartition("/")[0] == chosen.arrivals)
        and (chosen.to is None or fnmatchcase(subject.to, chosen.to))
    )
