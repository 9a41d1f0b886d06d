"""From the text of a scenario file to a scenario, or to every mistake in it at once.

This file answers for the order of reading. It must never draw chance: a file means the same under every seed.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from adapters.config.loading import Mistaken, parsed, text_of
from adapters.config.policies import Policies
from adapters.config.positions import KeyPath, lines_of
from adapters.config.providers import CHANNELS
from adapters.config.reading import Mistake, Reader
from adapters.config.tables import BoundsTable
from core.policies import Policy
from core.settings import Bounds, Lane, Settings
from scenarios.file.arriving import name_of
from scenarios.file.checking import check
from scenarios.file.scenario import Hook, Scenario, ScheduleName
from scenarios.file.tables import Crash, FileTable, LaneTable


def load(file: Path) -> Scenario:
    """The scenario in a file; raises Mistaken with all mistakes, in the order of the lines."""
    return read(text_of(file), file)


def read(text: str, file: Path) -> Scenario:
    """The scenario that a text comes to, `file` being what its mistakes are shown under."""
    return read_tree(parsed(text, file), file, lines=lines_of(text))


def read_tree(tree: object, file: Path, *, lines: Mapping[KeyPath, int]) -> Scenario:
    """The scenario that a tree of plain values comes to; `lines` says where in the file each of them stands."""
    reader = Reader(file=str(file), lines=lines, variables={}, environ={}, base=file.parent)
    whole = reader.table(FileTable, tree, ())
    scenario = _compiled(reader, whole, str(file))
    check(reader, scenario)
    if reader.mistakes:
        raise Mistaken(_distinct(reader.ordered()))
    return scenario


def _compiled(reader: Reader, whole: FileTable, file: str) -> Scenario:
    settings = _settings(reader, whole)
    crash = None if whole.crash is None else reader.table(Crash, whole.crash, ("crash",))
    arrivals = tuple(
        msgspec.structs.replace(arrive, name=name_of(arrive, index)) for index, arrive in enumerate(whole.arrive)
    )
    return Scenario(
        file=file,
        name=whole.name,
        why=whole.why,
        start_us=whole.start_us,
        runs_for_us=whole.runs_for_us,
        rests_within_us=whole.rests_within_us,
        seed=whole.seed,
        schedule=_schedule(whole.schedule),
        settings=settings,
        disk_latency=whole.disk.latency,
        crash=crash,
        hooks=tuple(
            Hook(name=name, scheme=table.scheme, tenant=table.tenant, order_by=table.order_by, lanes=table.lanes)
            for name, table in whole.hooks.items()
        ),
        arrivals=arrivals,
        providers=whole.provider,
        faults=whole.fault,
        answered=whole.answered,
        peers=whole.peer,
        devices=whole.device,
        plans=whole.plan,
        operators=whole.operator,
        expects=whole.expect,
        zones=_zones(settings, whole),
        wired=tuple(name for name, table in whole.lanes.items() if table.wire),
        api=whole.api,
        daemons=whole.daemons,
    )


def _settings(reader: Reader, whole: FileTable) -> Settings:
    # Read into a table of their own first, so that a misspelt bound is shown with all other mistakes.
    bounds = msgspec.structs.asdict(reader.table(BoundsTable, whole.bounds, ("bounds",)))
    del bounds["body_bytes_max"]  # A bound of the HTTP door, which a scenario does not pass.
    policies = Policies(reader, whole.policies)
    tables = whole.lanes or {channel: LaneTable(channel=channel) for channel in CHANNELS}
    policies.check_failovers(
        {name: table.channel for name, table in tables.items()}, {name: table.policy for name, table in tables.items()}
    )
    lanes, users = [], dict[str, set[str]]()
    for name, table in tables.items():
        channel = table.channel or CHANNELS[0]
        lanes.append(
            Lane(
                name=name,
                channel=channel,
                provider=table.provider,
                policy=_policy(policies, name, table),
                account=table.account,
                has_receipts=_has_receipts(whole, name, channel),
                fans_out=channel == "push" and bool(whole.device),
            )
        )
        if table.policy.preset is not None:
            users.setdefault(table.policy.preset, set()).add(channel)
    for name, source in whole.hooks.items():
        policy = policies.of_lane(source.policy, "hook", ("hooks", name, "policy"))
        lanes.append(Lane(name=name, channel="hook", provider="handler", policy=policy))
        if source.policy.preset is not None:
            users.setdefault(source.policy.preset, set()).add("hook")
    nameable, _ = policies.for_messages(users, {lane.channel for lane in lanes if lane.channel != "hook"})
    return Settings(lanes=tuple(lanes), policies=nameable, bounds=Bounds(**bounds))


def _has_receipts(whole: FileTable, lane: str, channel: str) -> bool:
    """Whether its provider tells afterwards what became of some of its messages."""
    return any(
        side.receipts is not None and side.lane in (None, lane) and side.channel in (None, channel)
        for side in whole.provider
    )


def _policy(policies: Policies, name: str, table: LaneTable) -> Policy:
    return policies.of_lane(table.policy, table.channel or CHANNELS[0], ("lanes", name, "policy"))


def _zones(settings: Settings, whole: FileTable) -> tuple[str, ...]:
    policies = [*(lane.policy for lane in settings.lanes), *settings.policies.values()]
    of_policies = (policy.quiet_hours.zone for policy in policies if policy.quiet_hours is not None)
    of_messages = (arrive.time_zone for arrive in whole.arrive if arrive.time_zone is not None)
    of_plans = (plan.time_zone for plan in whole.plan)
    return tuple(dict.fromkeys(("UTC", *of_policies, *of_messages, *of_plans)))


def _schedule(name: str) -> ScheduleName:
    found: ScheduleName = msgspec.convert(name, ScheduleName)
    return found


def _distinct(mistakes: list[Mistake]) -> list[Mistake]:
    return list(dict.fromkeys(mistakes))
