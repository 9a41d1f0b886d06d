"""Compiles the policies of a file: what each extends, and what a lane changes about its own.

This file answers for inheritance. It must never invent a number: whatever a file does not say comes from the preset
that is extended, and the presets are core.policies.PRESETS.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from adapters.config.positions import KeyPath
from adapters.config.reading import Reader, one_of
from adapters.config.tables import LanePolicyTable, NamedPolicyTable, PolicyTable, RetryTable
from core.policies import PRESETS, Exponential, Policy, QuietHours, Retry, Schedule

# These parts of a policy are changed key by key, the rest is replaced whole.
_PARTS: Final = ("limits", "circuit", "breaker")
_PLAIN: Final = (
    *("on_ambiguous", "poison", "order", "in_flight_max"),
    *("retry_after_ceiling_us", "rate_pause_us", "give_up_after_us", "timeout_us"),
    *("reconcile_us", "failover", "failover_after_us", "stale_after_us"),
)
_WAVE: Final = ("first_us", "factor", "times", "ceiling_us")
_FORMS: Final = '{ after = ["1m", "2m"] } or { first = "1m", factor = 2, times = 8, ceiling = "12h" }'


class Policies:
    """The policies of one file. One that extends its channel's preset has another meaning for each channel."""

    def __init__(self, reader: Reader, tables: Mapping[str, NamedPolicyTable]) -> None:
        self._reader = reader
        self._tables = tables
        self.names = (*PRESETS, *(name for name in tables if name not in PRESETS))
        for name, table in tables.items():
            self._check_extends(name)
            _check_retry(reader, table, self.named(name, "email").retry, ("policies", name, "retry"))

    def of_lane(self, table: LanePolicyTable, channel: str, path: KeyPath) -> Policy:
        """The policy of a lane: the preset that it names, or its channel's, with what the lane changes."""
        preset = table.preset if table.preset is not None else channel
        if preset not in self.names:
            self._reader.mistake((*path, "preset"), f'"{preset}"', one_of(preset, self.names))
        base = self.named(preset, channel)
        _check_retry(self._reader, table, base.retry, (*path, "retry"))
        return _changed(base, table)

    def named(self, name: str, channel: str) -> Policy:
        """The policy of this name for lanes of this channel; a name that nobody knows means the channel's preset."""
        chain: list[str] = []
        while name in self._tables and name not in chain:
            chain.append(name)
            # One that is named like a built-in and extends itself, in words or by saying nothing, means the built-in.
            name = self._tables[name].extends or (name if name in PRESETS else channel)
        policy = PRESETS.get(name, PRESETS[channel])
        for link in reversed(chain):
            policy = replace(_changed(policy, self._tables[link]), name=link)
        return policy

    def for_messages(
        self, users: Mapping[str, set[str]], channels: Iterable[str]
    ) -> tuple[dict[str, Policy], list[str]]:
        """The policies that a message may name, and the names that stand for several at once.

        `users` are the channels of the lanes that name a policy, `channels` those of all lanes: where no lane names a
        policy, each of them comes into question.
        """
        definite: dict[str, Policy] = {}
        indefinite: list[str] = []
        for name in self.names:
            meanings = [self.named(name, channel) for channel in sorted(users.get(name) or channels)]
            if meanings and all(meaning == meanings[0] for meaning in meanings):
                definite[name] = meanings[0]
            else:
                indefinite.append(name)
        return definite, indefinite

    def check_failovers(self, channel_of: Mapping[str, str], lanes: Mapping[str, LanePolicyTable]) -> None:
        """Notes every failover through lanes that are not there, not of one channel, or not the lane's own.

        `channel_of` are all lanes with their channels, `lanes` what they say of their policies.
        """
        for name, policy in self._tables.items():
            first = next((channel_of[lane] for lane in policy.failover or () if lane in channel_of), None)
            self._check_failover(policy, ("policies", name, "failover"), channel_of, first)
        for name, own in lanes.items():
            path: KeyPath = ("lanes", name, "policy", "failover")
            self._check_failover(own, path, channel_of, channel_of[name] or None)
            if own.failover and name not in own.failover and self._reader.sound(path):
                self._reader.mistake(
                    path, "other lanes only", f"{name} itself among them: a failover is an order of lanes"
                )

    def _check_failover(
        self, table: PolicyTable, path: KeyPath, channel_of: Mapping[str, str], channel: str | None
    ) -> None:
        if table.failover is UNSET:
            return
        fitting = [name for name, of in channel_of.items() if channel is None or of == channel]
        for place, lane in enumerate(table.failover):
            if lane not in channel_of:
                self._reader.mistake((*path, place), f'"{lane}"', one_of(lane, fitting))
            elif lane not in fitting:
                seen = f'"{lane}", a lane of {channel_of[lane]}'
                self._reader.mistake((*path, place), seen, f"lanes of one channel, here of {channel}")
            elif lane in table.failover[:place]:
                self._reader.mistake((*path, place), f'"{lane}" again', "each lane once")

    def _check_extends(self, name: str) -> None:
        path: KeyPath = ("policies", name, "extends")
        seen, at = [name], self._tables[name].extends
        if at is not None and at not in self.names:
            self._reader.mistake(path, f'"{at}"', one_of(at, [known for known in self.names if known != name]))
        while at is not None and at in self._tables and not (at == seen[-1] and at in PRESETS):
            if at in seen:
                self._reader.mistake(path, f"a circle: {' > '.join([*seen, at])}", "a chain that ends in a preset")
                return
            seen.append(at)
            at = self._tables[at].extends


def _changed(base: Policy, table: PolicyTable) -> Policy:
    given = _given(table)
    changes: dict[str, object] = {key: given[key] for key in _PLAIN if key in given}
    for part in _PARTS:
        value = given.get(part)
        if isinstance(value, msgspec.Struct):
            changes[part] = replace(getattr(base, part), **_given(value))
    if table.retry is not UNSET:
        changes["retry"] = _retry(base.retry, table.retry) or base.retry
    if table.quiet_hours is not UNSET:
        quiet = table.quiet_hours
        changes["quiet_hours"] = quiet and QuietHours(
            from_minute=quiet.from_minute, to_minute=quiet.to_minute, zone=quiet.zone
        )
    return replace(base, **changes)


def _check_retry(reader: Reader, table: PolicyTable, base: Retry, path: KeyPath) -> None:
    if table.retry is not UNSET and _retry(base, table.retry) is None and reader.sound(path):
        reader.mistake(path, "both forms" if table.retry.after_us is not UNSET else "a part of a form", _FORMS)


def _retry(base: Retry, table: RetryTable) -> Retry | None:
    # None where the table is of neither form. A table may change single values of a base that has its form.
    given = _given(table)
    is_wave = any(key in given for key in _WAVE)
    if "after_us" in given:
        return None if is_wave else replace(Schedule(after_us=(), jitter=base.jitter), **given)
    if isinstance(base, Exponential) or not is_wave:
        return replace(base, **given)
    if not all(key in given for key in _WAVE):
        return None
    return replace(Exponential(first_us=0, factor=1, times=0, ceiling_us=0, jitter=base.jitter), **given)


def _given(table: msgspec.Struct) -> dict[str, object]:
    found = {field.name: getattr(table, field.name) for field in msgspec.structs.fields(table)}
    return {name: value for name, value in found.items() if value is not UNSET}
