"""What a scenario as a whole must hold: names that exist, keys that belong together, requests that the door takes.

This file answers for a scenario failing when it is read, and not somewhere in its run. Where a part has a mistake
already, nothing else is said about it.
"""

from collections.abc import Iterator

import msgspec

from adapters.config.positions import KeyPath
from adapters.config.reading import Reader, one_of, shown
from adapters.config.units import shown_span
from core.contents import read
from core.device_names import device_name
from core.errors import Invalid
from core.plan_requests import read_plan
from scenarios.file.arriving import body_of
from scenarios.file.readings import Lasting, filled
from scenarios.file.scenario import Hook, Scenario
from scenarios.file.selecting import Chosen, LatencyTable
from scenarios.file.several import check_several
from scenarios.file.sides import Answered, Fault, Provider
from scenarios.file.tables import MEASURED, OF_NO_MESSAGE, Arrive, Expect, Operator
from scenarios.file.wired import check_wire
from scenarios.file.wishes import Device, Plan, messages_of, plan_body


def check(reader: Reader, scenario: Scenario) -> None:
    """Notes every mistake that takes more than one value to see."""
    for path, chosen in _parts(scenario):
        _check_names(reader, scenario, chosen, path)
    for index, provider in enumerate(scenario.providers):
        _check_latency(reader, provider.latency, ("provider", index, "latency"))
    if scenario.disk_latency is not None:
        _check_latency(reader, scenario.disk_latency, ("disk", "latency"))
    for index, provider in enumerate(scenario.providers):
        _check_receipts(reader, provider, ("provider", index, "receipts"))
    for hook in scenario.hooks:
        _check_hook(reader, scenario, hook, ("hooks", hook.name))
    _check_own_names(reader, scenario)
    for index, arrive in enumerate(scenario.arrivals):
        _check_arrive(reader, scenario, arrive, ("arrive", index))
    for index, fault in enumerate(scenario.faults):
        _check_fault(reader, fault, ("fault", index))
    _check_answered(reader, scenario)
    for index, operator in enumerate(scenario.operators):
        _check_operator(reader, operator, ("operator", index))
    for index, expect in enumerate(scenario.expects):
        _check_expect(reader, expect, ("expect", index))
    for index, plan in enumerate(scenario.plans):
        _check_plan(reader, scenario, plan, ("plan", index))
    for index, device in enumerate(scenario.devices):
        _check_device(reader, device, ("device", index))
    check_wire(reader, scenario)
    check_several(reader, scenario)
    _check_end(reader, scenario)


def _are_sound(reader: Reader, path: KeyPath, *keys: str) -> bool:
    """Whether these keys of a table hold what the file says: a broken one stands at its default, and tells nothing."""
    return not reader.is_broken(path) and all(reader.sound((*path, key)) for key in keys)


def _parts(scenario: Scenario) -> Iterator[tuple[KeyPath, Chosen]]:
    for name, parts in (
        ("provider", scenario.providers),
        ("fault", scenario.faults),
        ("peer", scenario.peers),
        ("operator", scenario.operators),
        ("expect", scenario.expects),
    ):
        yield from (((name, index), part) for index, part in enumerate(parts))


def _check_names(reader: Reader, scenario: Scenario, chosen: Chosen, path: KeyPath) -> None:
    """A selector that can fit nothing would make its fault or expectation pass unseen."""
    lanes = [lane.name for lane in scenario.settings.lanes]
    arrivals = _names(scenario)
    tenants = sorted({
        *(arrive.tenant for arrive in scenario.arrivals),
        *(hook.tenant for hook in scenario.hooks),
        *(device.tenant for device in scenario.devices),
        *(plan.tenant for plan in scenario.plans),
    })  # fmt: skip  # one set of four kinds
    of_message = None if chosen.message is None else chosen.message.rpartition("/")[0]
    for key, seen, known in (
        ("lane", chosen.lane, lanes),
        ("arrivals", chosen.arrivals, arrivals),
        ("tenant", chosen.tenant, tenants),
        ("message", of_message, arrivals),
    ):
        if seen is not None and seen not in known and _are_named(reader, scenario, key):
            reader.mistake((*path, key), shown(seen), one_of(seen, known))


def _are_named(reader: Reader, scenario: Scenario, key: str) -> bool:
    """Whether all that a selector may name under this key has the name that the file gives it."""
    own = {"arrivals": ("name",), "message": ("name",), "tenant": ("tenant",)}.get(key, ())
    return all(_are_sound(reader, ("arrive", index), *own) for index in range(len(scenario.arrivals)))


def _names(scenario: Scenario) -> list[str]:
    """What stands before the slash in the name of any message."""
    sources = [hook.name for hook in scenario.hooks if hook.lanes]
    plans = [plan.reference for plan in scenario.plans]
    return [*(arrive.name or "" for arrive in scenario.arrivals), *sources, *plans]


def _check_latency(reader: Reader, latency: LatencyTable, path: KeyPath) -> None:
    if latency.p99_us is not None and latency.p99_us < latency.median_us and reader.sound(path):
        reader.mistake(
            (*path, "p99"), shown_span(latency.p99_us), f"not below the median, {shown_span(latency.median_us)}"
        )


def _check_receipts(reader: Reader, provider: Provider, path: KeyPath) -> None:
    table = provider.receipts
    if table is None or not reader.sound(path):
        return
    if (table.sent_us, table.delivered_us, table.read_us, table.failed) == (None, None, None, None):
        reader.mistake(path, "nothing that is told", "at least one of sent, delivered, read and failed")


def _check_hook(reader: Reader, scenario: Scenario, hook: Hook, path: KeyPath) -> None:
    lanes = {lane.name: lane.channel for lane in scenario.settings.lanes}
    if [lane.name for lane in scenario.settings.lanes].count(hook.name) > 1:
        reader.mistake(path, "the name of a lane", "another name, since a source's handler is a lane of its own")
    fitting = [name for name, channel in lanes.items() if channel == "whatsapp" and hook.scheme == "meta"]
    for index, lane in enumerate(hook.lanes):
        if lane not in fitting and _are_sound(reader, path, "scheme"):
            reader.mistake((*path, "lanes", index), shown(lane), one_of(lane, fitting))


def _check_own_names(reader: Reader, scenario: Scenario) -> None:
    """No two arrivals are called alike, though several tables of one name may be parts of one."""
    groups: dict[str | None, list[tuple[int, Arrive]]] = {}
    for index, arrive in enumerate(scenario.arrivals):
        if _are_sound(reader, ("arrive", index), "name", "number", "count"):
            groups.setdefault(arrive.name, []).append((index, arrive))
    for index, arrive in (part for group in groups.values() if len(group) > 1 for part in group):
        own = range(arrive.number, arrive.number + arrive.count)
        alike = (known for _, known in groups[arrive.name])
        if sum(known.number < own.stop and own.start < known.number + known.count for known in alike) > 1:
            reader.mistake(("arrive", index, "name"), shown(arrive.name), "a name, or at least numbers, of its own")


def _check_arrive(reader: Reader, scenario: Scenario, arrive: Arrive, path: KeyPath) -> None:
    if not _are_sound(reader, path, "hook"):
        return
    is_whole = reader.sound(path)
    if arrive.hook is not None:
        _check_arriving_hook(reader, scenario, arrive, path)
        return
    for key, given in (("channel", arrive.channel), ("to", arrive.to)):
        if not given and _are_sound(reader, path, key):
            reader.mistake((*path, key), "missing", f"a {key}, or a hook")
            is_whole = False
    _check_lanes(reader, scenario, arrive, path)
    if arrive.policy is not None and arrive.policy not in scenario.settings.policies:
        reader.mistake((*path, "policy"), f'"{arrive.policy}"', one_of(arrive.policy, scenario.settings.policies))
    for key, value in (("batch", arrive.batch != 1), ("forged", arrive.forged > 0)):
        if value:
            reader.mistake((*path, key), f"{key} of a message", f"no {key}, which hooks have")
    if is_whole:
        _check_body(reader, scenario, arrive, path)


def _check_body(reader: Reader, scenario: Scenario, arrive: Arrive, path: KeyPath) -> None:
    # The first and the last one stand for all: templates differ in their number only.
    for number in (arrive.number, arrive.number + arrive.count - 1):
        try:
            read(body_of(arrive, number, scenario.start_us, arrive.at_us))
        except Invalid as invalid:
            keys: KeyPath = tuple(key for key in invalid.at.split("/") if key)
            _refuse(reader, (*path, *keys), f"what message {number} asks for", invalid)
            return


def _check_lanes(reader: Reader, scenario: Scenario, arrive: Arrive, path: KeyPath) -> None:
    """The lanes of a message, and of those that may take its place, are there and of their channel."""
    lanes = {lane.name: lane.channel for lane in scenario.settings.lanes}
    wanted = [((*path, "lane"), arrive.channel, arrive.lane)]
    wanted += [((*path, "failover", place), arrive.channel, lane) for place, lane in enumerate(arrive.failover or ())]
    for place, other in enumerate(arrive.fallback):
        wanted.append(((*path, "fallback", place, "lane"), other.channel, other.lane))
    for at, channel, lane in ((at, channel, lane) for at, channel, lane in wanted if channel):
        fitting = [name for name, known in lanes.items() if known == channel]
        if not fitting:
            of_channel: KeyPath = (*at[:-1], "channel") if at[-1] == "lane" else at
            reader.mistake(of_channel, f'"{channel}", which has no lane', one_of("", lanes.values()))
        elif lane is not None and lane not in fitting:
            reader.mistake(at, f'"{lane}"', one_of(lane, fitting))


def _check_arriving_hook(reader: Reader, scenario: Scenario, arrive: Arrive, path: KeyPath) -> None:
    source = next((hook for hook in scenario.hooks if hook.name == arrive.hook), None)
    if source is None:
        known = [hook.name for hook in scenario.hooks]
        reader.mistake((*path, "hook"), shown(arrive.hook), one_of(arrive.hook or "", known))
        return
    usual = Arrive()
    fields = msgspec.structs.fields(Arrive)
    given = {one.encode_name for one in fields if getattr(arrive, one.name) != getattr(usual, one.name)}
    own = {"to", "batch"} if source.scheme == "meta" else {"content"}
    usual_keys = {"name", "at", "over", "arrivals", "count", "number", "repeat", "repeat_after", "hook", "forged"}
    allowed = usual_keys | own
    for key in sorted(given - allowed):
        reader.mistake((*path, key), f"{key} of a hook from {source.scheme}", f"one of {', '.join(sorted(allowed))}")
    if source.scheme == "meta" and not arrive.to and _are_sound(reader, path, "to"):
        reader.mistake((*path, "to"), "missing", "the number of whoever wrote")


def _check_plan(reader: Reader, scenario: Scenario, plan: Plan, path: KeyPath) -> None:
    if not reader.sound(path) or not reader.sound(("start",)):
        return
    try:
        read_plan(plan_body(plan, scenario.start_us), is_zone=scenario.zones.__contains__)
        for _, body in messages_of(plan):
            read(body)
    except Invalid as invalid:
        _refuse(reader, path, f"what it asks for at {invalid.at}", invalid)


def _check_device(reader: Reader, device: Device, path: KeyPath) -> None:
    if not reader.sound(path):
        return
    try:
        device_name(filled(device.user, 1), filled(device.device, 1))
    except Invalid as invalid:
        _refuse(reader, (*path, invalid.at.strip("{}")), "a name that no device can have", invalid)


def _refuse(reader: Reader, path: KeyPath, what: str, invalid: Invalid) -> None:
    """Some refusals say what was expected, and some what is wrong."""
    expected = invalid.detail.removeprefix("expected ")
    if expected == invalid.detail:
        what, expected = f"{what} {invalid.detail}", "what the API takes"
    reader.mistake(path, what, expected)


def _check_fault(reader: Reader, fault: Fault, path: KeyPath) -> None:
    kinds = {
        "answer": fault.answer,
        "account": fault.account,
        "daemon": fault.daemon,
        "clock": fault.clock,
        "disk": fault.disk,
        "store": fault.store,
        "database": fault.database,
        "cut": fault.cut,
    }
    given = [kind for kind, value in kinds.items() if value is not None]
    if not _are_sound(reader, path, *kinds):
        return
    if len(given) != 1:
        reader.mistake(path, " and ".join(given) or "none of them", f"exactly one of {', '.join(kinds)}")
        return
    has_share = fault.answer is not None or fault.disk == "unknown" or fault.store is not None
    if not has_share and fault.share is not None:
        reader.mistake((*path, "share"), shown(fault.share), f"none with {given[0]}")
    if fault.answer is not None and fault.answer.share is not None and fault.share is not None:
        reader.mistake((*path, "share"), "a second share", "one, beside the answer or in it")
    if fault.account is not None and fault.lane is None and _are_sound(reader, path, "lane"):
        reader.mistake((*path, "lane"), "missing", "the lane whose account it is")
    is_instant = fault.daemon in {"crash", "stop"} or (fault.clock is not None and fault.clock.is_step)
    if fault.for_us is not None and is_instant:
        reader.mistake((*path, "for"), shown_span(fault.for_us), f"none with {given[0]}, which happens at an instant")
    if fault.for_us is None and fault.daemon == "freeze" and _are_sound(reader, path, "for"):
        reader.mistake((*path, "for"), "missing", "how long it stands still")
    _check_belonging(reader, fault, path)


def _check_belonging(reader: Reader, fault: Fault, path: KeyPath) -> None:
    """Keys that only one kind of fault has."""
    if fault.boundary is not None and fault.daemon != "crash":
        reader.mistake((*path, "boundary"), shown(fault.boundary), 'none but with daemon = "crash"')
    if fault.latency is not None and fault.disk != "slow":
        reader.mistake((*path, "latency"), "a latency", 'none but with disk = "slow"')
    elif fault.latency is not None:
        _check_latency(reader, fault.latency, (*path, "latency"))


def _check_answered(reader: Reader, scenario: Scenario) -> None:
    known, seen = _names(scenario), set[tuple[str, int]]()
    for index, answered in enumerate(scenario.answered):
        path: KeyPath = ("answered", index)
        if reader.sound(path):
            if _are_named(reader, scenario, "message"):
                _check_one_named(reader, answered, path, known)
            _check_one_answered(reader, answered, path)
            if (answered.message, answered.attempt) in seen:
                reader.mistake((*path, "attempt"), f"a second attempt {answered.attempt}", "each attempt once")
            seen.add((answered.message, answered.attempt))


def _check_one_named(reader: Reader, answered: Answered, path: KeyPath, known: list[str]) -> None:
    name = answered.message.rpartition("/")[0]
    if name not in known:
        reader.mistake((*path, "message"), shown(answered.message), one_of(name, known))


def _check_one_answered(reader: Reader, answered: Answered, path: KeyPath) -> None:
    if answered.answer is not None and answered.answer.share is not None:
        reader.mistake((*path, "answer"), "a share", "none, since it is what happened")
    if answered.takes_us is not None and answered.takes_us < (answered.connects_us or 0):
        expected = f"not below connects, {shown_span(answered.connects_us or 0)}"
        reader.mistake((*path, "takes"), shown_span(answered.takes_us), expected)


def _check_operator(reader: Reader, operator: Operator, path: KeyPath) -> None:
    if not _are_sound(reader, path, "do"):
        return
    if operator.do in {"pause", "resume"} and operator.lane is None and _are_sound(reader, path, "lane"):
        reader.mistake((*path, "lane"), "missing", f"the lane to {operator.do}")
    if operator.per_s is not None and operator.do != "redrive":
        reader.mistake((*path, "per_s"), shown(operator.per_s), f"none with {operator.do}")
    if operator.do == "reschedule" and operator.send_at_us is None and _are_sound(reader, path, "send_at"):
        reader.mistake((*path, "send_at"), "missing", "when it is to be sent, since the start")
    if operator.do != "reschedule" and operator.send_at_us is not None:
        reader.mistake((*path, "send_at"), shown_span(operator.send_at_us), f"none with {operator.do}")


def _check_expect(reader: Reader, expect: Expect, path: KeyPath) -> None:
    if not _are_sound(reader, path, "that"):
        return
    shares = (expect.at_least_share, expect.at_most_share)
    bounds = (expect.count, expect.at_least, expect.at_most, expect.not_before_us, *shares)
    if all(bound is None for bound in bounds) and reader.sound(path):
        reader.mistake(path, "nothing that is expected", "count, at_least, at_most or not_before, or a share")
    _check_amounts(reader, expect, path)
    if shares != (None, None) and expect.that in {*MEASURED, *OF_NO_MESSAGE}:
        reader.mistake(path, f"a share of {expect.that}", "none, since it does not count messages")
    if expect.held_by is not None and expect.that != "held":
        reader.mistake((*path, "held_by"), shown(expect.held_by), f"none with {expect.that}")
    if expect.that == "peak" and expect.within_us is None and _are_sound(reader, path, "within"):
        reader.mistake((*path, "within"), "missing", 'the length of the window, such as "1m"')
    if expect.that in MEASURED and expect.not_before_us is not None:
        reader.mistake((*path, "not_before"), "an instant", f"none with {expect.that}, which is a measure")
    if None not in (expect.since_us, expect.by_us) and (expect.since_us or 0) > (expect.by_us or 0):
        reader.mistake((*path, "since"), shown_span(expect.since_us or 0), "nothing later than by")


def _check_amounts(reader: Reader, expect: Expect, path: KeyPath) -> None:
    """Only lateness lasts; a number without a unit would pass for microseconds of it, and a duration for a count."""
    for key, amount in (("count", expect.count), ("at_least", expect.at_least), ("at_most", expect.at_most)):
        if amount is None or isinstance(amount, Lasting) == (expect.that == "lateness"):
            continue
        if isinstance(amount, Lasting):
            reader.mistake((*path, key), shown_span(amount), f"a whole number, as {expect.that} does not last")
        else:
            reader.mistake((*path, key), shown(amount), 'at_least or at_most as a duration such as "5s"')


def _check_end(reader: Reader, scenario: Scenario) -> None:
    """Nothing may be planned for after the end: it would never happen, and nobody would notice."""
    for name, parts in (
        ("arrive", [arrive.at_us + arrive.over_us for arrive in scenario.arrivals]),
        ("fault", [fault.at_us for fault in scenario.faults]),
        ("peer", [peer.at_us for peer in scenario.peers]),
        ("device", [device.at_us + device.over_us for device in scenario.devices]),
        ("plan", [plan.at_us for plan in scenario.plans]),
        ("operator", [operator.at_us for operator in scenario.operators]),
    ):
        for index, at_us in enumerate(parts):
            if at_us > scenario.runs_for_us and reader.sound(("runs_for",)):
                expected = f"nothing later than runs_for, {shown_span(scenario.runs_for_us)}"
                reader.mistake((name, index), f"something at {shown_span(at_us)}", expected)
