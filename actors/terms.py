"""Which policy decides about a message: the one it names, else its lane's, with version and time zone."""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Final

from core.message import Message
from core.policies import Policy
from core.settings import Lane, Settings
from core.starts import Terms

_KNOWN_MAX: Final = 10_000


class TermsBook:
    """Terms for every message, looked up once for each (lane, policy, zone) and kept."""

    def __init__(self, settings: Settings, zone_of: Callable[[str], tzinfo]) -> None:
        self._zone_of = zone_of
        self._known: dict[tuple[str, str | None, str | None, bool], Terms] = {}
        self._lanes: dict[str, Lane] = {}
        self._versions: Mapping[str, int] = {}
        self._named: Mapping[str, int] = {}
        self._shadows: Mapping[str, Policy] = {}
        self.adopt(settings, {}, {})

    def adopt(self, settings: Settings, versions: Mapping[str, int], named: Mapping[str, int]) -> None:
        """Goes on under these settings; `versions` are the policy versions by lane, `named` those of named policies."""
        # A lane that was taken out may have attempts in flight: they end under the policy that they began under.
        self._lanes |= {lane.name: lane for lane in settings.lanes}
        self._policies = settings.policies
        self._versions = versions
        self._named = named
        self._known.clear()

    def cast(self, shadows: Mapping[str, Policy]) -> None:
        """The policies that are asked beside those in force, by lane."""
        self._shadows = shadows
        self._known.clear()

    def of(self, message: Message) -> Terms:
        """The terms of a message. One whose lane was never configured here goes by its channel's preset."""
        key = (message.lane, message.policy, message.zone, message.fans_out)
        terms = self._known.get(key)
        if terms is None:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()  # Zones are what callers say: there may be any number of wrong ones.
            terms = self._known[key] = self._look_up(message)
        return terms

    def _look_up(self, message: Message) -> Terms:
        policy = self._policies.get(message.policy) if message.policy is not None else None
        shadow = self._shadows.get(message.lane) if policy is None else None
        lane = self._lanes.get(message.lane)
        version = self._named.get(message.policy or "", 0)
        if policy is None:
            policy = lane.policy if lane is not None else self._policies[message.channel]
            version = self._versions.get(message.lane, 0)
        zone = message.zone or (policy.quiet_hours.zone if policy.quiet_hours is not None else "UTC")
        return Terms(
            policy=policy,
            version=version,
            zone=self._zone_of(zone),
            has_receipts=lane is not None and lane.has_receipts,
            # Each device's message has a key of its own: however often a push fans out, it makes them once.
            is_repeatable=message.fans_out and lane is not None and lane.fans_out,
            shadow=shadow,
        )
