"""Plans forget a person: they go on without them, keep nothing of them, and decide nothing anew for anybody else."""

from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import pytest
from msgspec.structs import replace

from actors.erasure_streams import ErasureStreams, Gone, Subject
from actors.plans import Plans
from core import events as e
from core.errors import BeingForgotten
from core.ids import Mint
from core.plan_requests import read_plan
from core.plan_rows import Kept, marks_of, unseal_plan
from core.records import AddressChange
from eventstore.durable import Durable
from eventstore.sqlite.log import SqliteLog
from scenarios.laws.replay import as_it_lies
from scenarios.loop.run import run_virtual
from tests.edges.web.house import running
from tests.edges.web.test_plans import person
from tests.edges.web.test_plans import plan as mails
from tests.promises.house import House, address, living, settings_of
from tests.promises.other_side import ObedientDisk, Provider
from tests.promises.planning import (
    Json,
    cancel,
    counts,
    messages,
    note_refusal,
    plan,
    plan_rows_broken,
    put,
    show,
    whys,
)

HOUR_S: Final = 3_600
KINDS: Final = ("activation", "day_before", "event_end")
WORDS: Final[Json] = {"webhook": {"type": "test", "data": {"n": 1}}, "email": {"subject": "1", "text": "."}}


async def forget(house: House, number: int = 1, tenant: str = "org1") -> int:
    """Has plans forget somebody."""
    return await house.system.plans.forget(tenant, "webhook", address(number))


def rows(durable: Durable) -> list[bytes]:
    """What the vault holds of each plan."""
    return [durable.sealed[head.stream].private for head in durable.heads.values() if head.kind == "plan"]


def kept(durable: Durable) -> Kept:
    """The only plan, as it is kept."""
    (stream,) = (head.stream for head in durable.heads.values() if head.kind == "plan")
    event = durable.streams[stream][-1].event
    assert isinstance(event, e.PlanSet | e.PlanApplied)
    return unseal_plan(durable.sealed[stream], event.commitment)


def assert_nothing_is_left_of(durable: Durable, number: int) -> None:
    """No plan holds their id, address or values, and what lies in the log makes sense."""
    for row in rows(durable):
        assert f"p{number}".encode() not in row
        assert f"a.example/{number}".encode() not in row.lower()
    assert list(as_it_lies(durable)) == []
    assert plan_rows_broken(durable) == []


def plan_events(house: House) -> list[e.Event]:
    """What plans recorded, in order."""
    return [event for event in house.all_events() if isinstance(event, e.PlanSet | e.PlanApplied)]


def test_a_plan_goes_on_without_whoever_is_forgotten() -> None:
    """What is open for them is withdrawn in a new revision, the others keep theirs; a second call finds nothing."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            await put(house, plan(*KINDS, people=[1, 2]))
            await house.pass_time(1)
            before, set_us = await messages(house), (await show(house)).set_us
            assert await forget(house) == 1
            _, _, wish, applied = plan_events(house)
            assert isinstance(wish, e.PlanSet)
            assert (wish.revision, wish.reminders) == (2, 3)
            assert isinstance(applied, e.PlanApplied)
            assert (applied.created, applied.moved, applied.cancelled, applied.kept) == (0, 0, 2, 3)
            state = await show(house)
            assert ([who.id for who in state.request.participants], state.is_cancelled) == (["p2"], False)
            assert (state.is_applied, state.set_us) == (True, set_us)
            assert await messages(house) == {key: message for key, message in before.items() if key[0] == "p2"}
            assert_nothing_is_left_of(house.durable, 1)
            withdrawn = [house.message(message.id) for key, message in before.items() if key[0] == "p1"]
            assert [(one.status, one.reason) for one in withdrawn] == [
                ("delivered", ""), ("cancelled", "plan"), ("cancelled", "plan"),
            ]  # fmt: skip
            assert (await forget(house), len(plan_events(house))) == (0, 4)
            same = await put(house, plan(*KINDS, people=[2]))
            assert (counts(same), same.revision) == ((0, 0, 0, 3), 2)
            await house.pass_time(60 * HOUR_S)
            assert (len(provider.numbers(address(1))), len(provider.numbers(address(2)))) == (1, 3)

    run_virtual(main)


@pytest.mark.parametrize(
    "reached",
    [
        {"channel": "webhook", "to": "HTTPS://A.Example:443/1"},
        {"channel": "email", "to": "p9@b.example", "fallback": [{"channel": "webhook", "to": "https://A.example/1"}]},
    ],
)
def test_they_are_found_however_their_address_was_written(reached: Json) -> None:
    """In another spelling, and where it is a fallback; whoever has another address stays."""

    async def main() -> None:
        async with living() as house:
            asked = plan({"kind": "day_before", "content": WORDS}, people=[2, 11])
            asked["participants"] = [{"id": "p1"} | reached, *asked["participants"]]  # type: ignore[misc]  # A list.
            await put(house, asked)
            assert await forget(house) == 1
            assert {who for who, _ in await messages(house)} == {"p2", "p11"}
            assert house.statuses() == {"scheduled": 2, "cancelled": 1}
            assert b"b.example" not in rows(house.durable)[0]

    run_virtual(main)


def test_all_plans_of_the_tenant_forget_them_and_no_other() -> None:
    """Two participants with one address go both; plans that do not name them, and other tenants', stay as they are."""

    async def main() -> None:
        async with living() as house:
            twice = plan("day_before", people=[1, 2, 3])
            twice["participants"][2]["to"] = address(1)  # type: ignore[index]  # It is a list.
            await put(house, twice)
            await put(house, plan("day_before", people=[1, 2]), "event43")
            await put(house, plan("day_before", people=[2]), "event44")
            theirs = read_plan(msgspec.json.encode(plan("day_before", people=[1])), is_zone=lambda _: True)
            await house.system.plans.put("org2", "event42", theirs)
            assert await house.system.plans.forget("org1", "email", address(1)) == 0
            assert await forget(house, 7) == 0
            assert len(plan_events(house)) == 8
            assert await forget(house) == 2
            assert len(plan_events(house)) == 12
            assert {who for who, _ in await messages(house)} == {"p2"}
            assert house.statuses() == {"scheduled": 4, "cancelled": 3}
            assert await forget(house, tenant="org2") == 1
            assert_nothing_is_left_of(house.durable, 1)

    run_virtual(main)


@pytest.mark.slow
def test_plans_are_sought_page_by_page() -> None:
    """Of more plans than are told of in one go each one is looked at."""

    async def main() -> None:
        async with living() as house:
            for number in range(300):
                await put(house, plan(people=[1, 2]), f"event{number}")
            assert await forget(house) == 300
            assert_nothing_is_left_of(house.durable, 1)

    run_virtual(main)


def test_a_plan_of_nobody_else_is_called_off() -> None:
    """It is shown as cancelled and without participants, and set again it begins anew."""

    async def main() -> None:
        async with living() as house:
            await put(house, plan(*KINDS, people=[1]))
            await house.pass_time(1)
            assert await forget(house) == 1
            state = await show(house)
            assert (state.is_cancelled, state.request.participants, state.messages) == (True, (), ())
            assert_nothing_is_left_of(house.durable, 1)
            assert counts(await cancel(house)) == (0, 0, 0, 0)
            assert counts(await put(house, plan(*KINDS, people=[2]))) == (3, 0, 0, 0)
            assert not (await show(house)).is_cancelled

    run_virtual(main)


def test_a_cancelled_plan_forgets_too() -> None:
    """It stays cancelled, and keeps whom else it names."""

    async def main() -> None:
        async with living() as house:
            await put(house, plan(*KINDS, people=[1, 2]))
            await cancel(house)
            assert await forget(house) == 1
            state = await show(house)
            assert (state.is_cancelled, [who.id for who in state.request.participants]) == (True, ["p2"])
            assert_nothing_is_left_of(house.durable, 1)

    run_virtual(main)


def test_whoever_left_a_plan_before_is_forgotten_by_it_as_well() -> None:
    """Its request does not name them any more, and the list of its messages no longer does."""

    async def main() -> None:
        async with living() as house:
            await put(house, plan(*KINDS, people=[1, 2, 3]))
            await put(house, plan(*KINDS, people=[2]))
            assert await forget(house) == 1
            assert_nothing_is_left_of(house.durable, 1)
            assert {who for who, _ in marks_of(kept(house.durable))} == {"p2", "p3"}
            assert await forget(house) == 0

    run_virtual(main)


def test_one_in_flight_is_withdrawn_unless_that_attempt_is_taken() -> None:
    """The plan does not wait for it, and knows nothing of it any more."""

    async def main() -> None:
        provider = Provider()
        provider.hold()
        async with living(provider=provider) as house:
            (out,) = (await put(house, plan("activation", people=[1]))).created
            await house.pass_time(1)
            assert await forget(house) == 1
            assert (house.message(out).cancel, kept(house.durable).marks) == ("plan", {})
            provider.let_go()
            await house.pass_time(1)
            assert house.message(out).status == "delivered"

    run_virtual(main)


def test_who_is_named_again_gets_what_they_had_not_got() -> None:
    """What was withdrawn is made anew under another key, changed or not; what was sent is not sent again."""

    async def main() -> None:
        provider = Provider()
        async with living(provider=provider) as house:
            for starts_h in (48.0, 49.0, 48.0):
                await put(house, plan(*KINDS, people=[1, 2], starts_h=starts_h))
                await house.pass_time(1)
                assert await forget(house) == 1
            again = await put(house, plan(*KINDS, people=[1, 2], starts_h=50.0))
            # What begins with the event moves for the other, and what was said at once is found again, and stays.
            assert counts(again) == (2, 1, 0, 3)
            assert {key: message.status for key, message in (await messages(house)).items() if key[0] == "p1"} == {
                ("p1", "activation"): "delivered", ("p1", "day_before"): "scheduled", ("p1", "event_end"): "scheduled",
            }  # fmt: skip
            await house.pass_time(60 * HOUR_S)
            assert len(provider.numbers(address(1))) == len(provider.numbers(address(2))) == 3
            assert plan_rows_broken(house.durable) == []

    run_virtual(main)


def test_nothing_is_decided_anew_for_those_who_stay() -> None:
    """Where a lane is gone one lacks a reminder: forgetting somebody else neither fails for it nor makes it later."""

    async def main() -> None:
        with_spare = settings_of(lanes=("calls", "mail", "spare"))
        disk = ObedientDisk()
        async with living(settings=with_spare, disk=disk) as house:
            asked = plan("day_before", people=range(3))
            asked["participants"][2]["lane"] = "spare"  # type: ignore[index]  # It is a list.
            # Its revision is recorded, the rest is not, and the lane is gone when it goes on.
            disk.commit_us = 1_000
            refused: list[str] = []
            await house.all_at_once([partial(note_refusal, house, asked, refused), partial(_fill, house, disk)])
            assert refused == ["no space is left on the disk"]
            disk.commit_us = 0
            await house.reload(settings_of())
            disk.empty()
            await house.pass_time(5)
            assert set(await messages(house)) == {("p0", "day_before"), ("p1", "day_before")}
            assert await forget(house) == 1
            await house.reload(with_spare)
            assert await forget(house, 0) == 1
            assert await messages(house) == {}
            asked["participants"] = asked["participants"][2:]  # type: ignore[index]  # It is a list.
            assert counts(await put(house, asked)) == (1, 0, 0, 0)

    run_virtual(main)


def test_a_plan_that_makes_no_sense_is_left_to_a_person() -> None:
    """A row that was changed, and one that is gone, are noted; all other plans forget."""

    async def main() -> None:
        async with living() as house:
            for number in range(3):
                await put(house, plan("day_before", people=[1, 2]), f"event{number}")
            changed, gone, _ = (head.stream for head in house.durable.heads.values() if head.kind == "plan")
            row = house.durable.sealed[changed]
            house.durable.sealed[changed] = replace(row, private=row.private + b"\xc0")
            del house.durable.sealed[gone]
            assert await forget(house) == 1
            assert house.notes.count("plan_parked") == 2

    run_virtual(main)


def test_a_plan_is_set_and_forgets_one_after_the_other() -> None:
    """Called at one instant they take turns, and whoever is named last is in the plan."""

    async def main() -> None:
        disk = ObedientDisk()
        disk.commit_us = 1_000
        async with living(disk=disk) as house:
            await put(house, plan(*KINDS, people=[1, 2]))
            other = plan(*KINDS, people=[2, 3])
            await house.all_at_once([partial(forget, house), partial(put, house, other), partial(forget, house, 2)])
            assert {who for who, _ in await messages(house)} == {"p3"}
            assert [event.revision for event in plan_events(house)] == [1, 1, 2, 2, 3, 3, 4, 4]  # type: ignore[attr-defined]
            assert_nothing_is_left_of(house.durable, 1)
            assert_nothing_is_left_of(house.durable, 2)

    run_virtual(main)


def test_a_reminder_for_whoever_is_just_being_forgotten_is_left_out() -> None:
    """Nothing is taken for a closed address: the plan says so, waits for nobody, and can forget them meanwhile."""

    async def main() -> None:
        async with living() as house:
            await close(house, 1)
            with pytest.raises(BeingForgotten):
                await house.post(address(1))
            change = await put(house, plan("day_before", people=[1, 2]))
            words = "refused: whoever has this address is just being forgotten"
            assert (counts(change), whys(change)) == ((1, 0, 0, 0), {words: 1})
            assert ((await show(house)).is_applied, await forget(house)) == (True, 1)
            assert_nothing_is_left_of(house.durable, 1)

    run_virtual(main)


@pytest.mark.anyio
async def test_a_file_holds_nothing_of_them_either(tmp_path: Path) -> None:
    """Set over HTTP and kept by SQLite, a plan forgets them, and what is kept is what the log committed to."""
    async with running(await SqliteLog.open(tmp_path / "tidings.db")) as house:
        ann = person(1, id="annabel", to="Ann@EXAMPLE.com")
        asked = mails("day_before", participants=[ann, person(2)])
        given = await house.ask("PUT /v1/plans/event42", asked, role="send")
        assert given.status == 200, given.body
        (head,) = await house.log.heads_of_kind("plan")
        assert await _forgets(house.system.plans, head.tenant) == (1, 0)
        shown = (await house.ask("GET /v1/plans/event42")).json
        assert (shown["state"], shown["revision"]) == ("applied", 2)
        sealed = await house.log.sealed_of(head.stream)
        assert sealed is not None
        assert b"annabel" not in sealed.private.lower()
        assert b"ann@" not in sealed.private.lower()


async def _fill(house: House, disk: ObedientDisk) -> None:
    """Fills the disk once the plan is recorded."""
    await house.pass_time(0.0015)
    disk.fill()


async def _forgets(plans: Plans, tenant: str) -> tuple[int, int]:
    """Forgets Ann twice."""
    first = await plans.forget(tenant, "email", "Ann@example.com")
    return first, await plans.forget(tenant, "email", "Ann@example.com")


async def close(house: House, number: int) -> None:
    """Closes an address, as an erasure does on its way."""
    streams = ErasureStreams(log=house.log, clock=house.clock, secrets=house.secrets, mint=Mint(slot=1))
    name = house.system.intake.peers.name("org1", "webhook", address(number))
    subject = Subject(tenant="org1", channel="webhook", address=address(number), name=name, conversation=7)
    erasure = await streams.start(streams.fresh(), subject)
    closed = AddressChange(channel="webhook", subject=name, conversation=7, becomes="closed")
    await streams.record(erasure, e.ErasureAdvanced(messages=0, cancelled=0, plans=0), Gone(addresses=(closed,)))


def test_plans_that_were_looked_through_before_are_not_read_again() -> None:
    """While nobody can write to an address, only what was set meanwhile is looked at, be there any number of plans."""

    async def main() -> None:
        async with living() as house:
            for number in range(20):
                await put(house, plan("day_before", people=[number + 2]), f"event{number}")
            await house.pass_time(1)
            since_us = house.clock.now_us()
            await put(house, plan("day_before"))
            forget_since = partial(house.system.plans.forget, "org1", "webhook", address(1), since_us=since_us)
            reads = house.disk.reads
            assert (await forget_since(), await forget_since()) == (1, 0)
            assert house.disk.reads - reads < 20

    run_virtual(main)
