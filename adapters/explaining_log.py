"""An explanation from the log alone, without its daemon: what the daemon would say if it started on it now.

This file answers for putting together, from events, what an explainer asks: lanes with their pauses and breakers,
limits with their last hand-overs, policies as they were adopted. It must never write. What only a daemon's
configuration knows, whether providers send receipts, is taken for not so.
"""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import cast

import msgspec

from actors.chains import Chains
from actors.explaining import Explainer
from actors.governor import Governor
from actors.long_windows import LongWindows
from actors.shadows import Shadows
from actors.surroundings import Surroundings
from actors.terms import TermsBook
from adapters.chance import KeyedChance
from adapters.clock import SystemClock
from adapters.zones import zone_named
from core import events as e
from core.explain import Explanation
from core.ids import INSTALLATION
from core.lane_life import LaneLife
from core.policies import PRESETS, Policy
from core.ports import Clock, Log
from core.records import Recorded
from core.settings import Bounds, Lane, Settings
from eventstore.sqlite.locking import is_held
from eventstore.sqlite.reading import ReadOnlyLog


class _Silent:
    """Nobody listens."""

    def note(self, name: str, /, **values: str | int | float | None) -> None:
        pass


async def explained(file: Path, stream: int) -> Explanation:
    """Why a message in this log stands where it stands. Raises NotFound, StoreRefused or CorruptLog."""
    reading = await ReadOnlyLog.read(file)
    try:
        # Nothing but questions is asked of it.
        log = cast("Log", reading)
        explainer = await _explainer(log, SystemClock(floor_us=reading.newest()[1]), is_running=is_held(file))
        return await explainer.explain(None, stream)
    finally:
        await reading.close()


async def _explainer(log: Log, clock: Clock, *, is_running: bool) -> Explainer:
    lanes = await _lanes(log)
    governor = Governor()
    for name, life in lanes.items():
        governor.adopt(name, life.policy.limits)
    await LongWindows(governor, log=log, clock=clock).recall()
    diary = [entry.event for entry in await log.events_of(INSTALLATION)]
    named = {event.name: event for event in diary if isinstance(event, e.PolicySet)}
    policies = PRESETS | {name: msgspec.json.decode(event.body, type=Policy) for name, event in named.items()}
    settings = Settings(lanes=tuple(life.lane for life in lanes.values()), policies=policies)
    terms = TermsBook(settings, _zone)
    versions = {name: life.policy_version for name, life in lanes.items()}
    terms.adopt(settings, versions, {name: event.version for name, event in named.items()})
    started = diary[0] if diary else None

    def is_up(name: str) -> bool:
        return name in lanes and lanes[name].is_up

    world = Surroundings(
        log=log,
        clock=clock,
        chance=KeyedChance(started.seed if isinstance(started, e.DaemonStarted) else 0),
        terms_of=terms.of,
        is_up=is_up,
        shadows=Shadows({}, witness=_Silent(), is_up=is_up),
        names_of=lambda _message: (),
        noticed=lambda _message: None,
        unsure=lambda _message: None,
        window_max=Bounds().window_max,
        mail_max=1,
    )
    return Explainer(
        world,
        Chains(log),
        governor=governor,
        lanes=lanes,
        roster=None,
        health=lambda: ("ok", ""),
        is_running=is_running,
    )


async def _lanes(log: Log) -> dict[str, LaneLife]:
    """Every lane that the log knows, as its events left it."""
    found: dict[str, LaneLife] = {}
    for head in await log.heads_of_kind("lane"):
        recorded = await log.events_of(head.stream)
        lane = Lane(name=head.lane, channel=head.channel, provider="", policy=_policy_in(recorded, head.channel))
        found[head.lane] = life = LaneLife(lane, head.stream)
        life.replay(recorded)
    return found


def _policy_in(recorded: Sequence[Recorded], channel: str) -> Policy:
    bodies = [entry.event.body for entry in recorded if isinstance(entry.event, e.PolicyAdopted | e.PolicyPromoted)]
    return msgspec.json.decode(bodies[-1], type=Policy) if bodies else PRESETS[channel]


def _zone(name: str) -> tzinfo:
    zone = zone_named(name)
    return UTC if zone is None else zone
