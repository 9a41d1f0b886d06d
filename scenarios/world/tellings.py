"""What the outside is going to tell us of its own accord, and when: receipts, accounts, people.

This file answers for the plan, which outlives the daemon: whoever is not answered comes again. What is made of a plan
in one life of the daemon is senders.py's business.
"""

from collections.abc import Iterator, Sequence

import msgspec

from core.news import LaneNews, News, PeerNews, Receipt
from scenarios.draws import Draws
from scenarios.file.scenario import Scenario
from scenarios.file.sides import ReceiptsTable
from scenarios.file.updates import meta_body, status_of
from scenarios.world.books import Handed
from scenarios.world.choosing import Subject, fits
from scenarios.world.hooking import Post
from scenarios.world.meeting import Meeting
from scenarios.world.nature import Nature


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """One call of somebody outside, at `at_us` of true time. `key` and `nth` name it.

    `lanes` are those of the account that it is about. `handed` is the request (stream, attempt) that it follows from,
    None where it follows from none. `post` is the hook that brings it, where a source of the file does.
    """

    key: str
    nth: int
    at_us: int
    tenant: str
    lanes: tuple[str, ...]
    news: tuple[News, ...]
    handed: tuple[int, int] | None = None
    post: Post | None = None


def of_accounts(scenario: Scenario) -> Iterator[Telling]:
    """What providers say of the accounts that go down, and come up, in a file."""
    for fault in scenario.faults:
        if fault.account is None:
            continue
        assert fault.lane is not None, "a fault of an account names a lane"
        lanes = lanes_of_account(scenario, fault.lane)
        last_us = fault.at_us + (fault.for_us or 0)
        states = [(fault.at_us, fault.account), *([(last_us, "up")] if fault.for_us is not None else [])]
        for at_us, state in states:
            news = LaneNews(state="down" if state == "down" else "up" if state == "up" else "alert", code=fault.code)
            key = f"account {fault.lane} {fault.code} {fault.at_us}/{state}"
            yield Telling(key=key, nth=1, at_us=at_us, tenant="", lanes=lanes, news=(news,))


def of_people(scenario: Scenario, subjects: Sequence[Subject], draws: Draws) -> Iterator[Telling]:
    """What people do; whoever is meant by several messages does it once."""
    for index, peer in enumerate(scenario.peers):
        meant = {(one.tenant, one.channel, one.to): one.lane for one in subjects if fits(peer, one)}
        for number, ((tenant, channel, to), lane) in enumerate(meant.items()):
            if draws.draw("person", peer.did, peer.at_us, tenant, channel, to) >= peer.share:
                continue
            at_us = peer.at_us + draws.integer("person at", peer.did, peer.at_us, to, below=max(1, peer.within_us))
            news = PeerNews(
                did=peer.did, channel=channel, address=to, at_us=scenario.start_us + at_us, marketing=peer.marketing
            )
            yield Telling(
                key=f"people {index}/{number}", nth=1, at_us=at_us, tenant=tenant, lanes=(lane,), news=(news,)
            )


def of_message(scenario: Scenario, nature: Nature, handed: Handed, meeting: Meeting) -> Iterator[Telling]:
    """What a provider tells of a message that it has just taken."""
    assert handed.arrives_us is not None, "what never arrives is never told of"
    table = meeting.receipts
    if table is None:
        return
    for after_us, receipt in nature.receipts_of(table, handed, meeting):
        told = msgspec.structs.replace(
            receipt,
            echo="" if table.by == "id" else handed.message,
            at_us=scenario.start_us + handed.arrives_us + (receipt.at_us or 0),
        )
        name = f"{handed.key.replace('/', '.')}.{handed.attempt}.{told.status}"
        telling = Telling(
            key=f"{handed.lane}/{name}",
            nth=1,
            at_us=handed.arrives_us + after_us,
            tenant=handed.tenant,
            lanes=lanes_of_account(scenario, handed.lane),
            news=(told,),
            handed=(handed.stream, handed.attempt),
            post=_post(scenario, handed, told, name),
        )
        yield telling
        again_us = nature.comes_again_us(table, handed, told.status)
        if again_us is not None:
            yield msgspec.structs.replace(telling, nth=2, at_us=telling.at_us + again_us)
        yield from _beside(telling, told, scenario=scenario, nature=nature, handed=handed, table=table)


def _beside(
    telling: Telling, told: Receipt, *, scenario: Scenario, nature: Nature, handed: Handed, table: ReceiptsTable
) -> Iterator[Telling]:
    """What else comes with a receipt: one of a message that is none of ours, and one that somebody made up."""
    name = telling.key.rpartition("/")[2]
    if nature.happens("strange", handed, told.status, table.strange):
        foreign = msgspec.structs.replace(
            told, echo="", provider_id=f"foreign-{nature.foreign_id(handed, told.status)}"
        )
        post = _post(scenario, handed, foreign, f"{name}.strange")
        yield msgspec.structs.replace(telling, key=f"{telling.key}.strange", news=(foreign,), handed=None, post=post)
    if telling.post is not None and nature.happens("made up", handed, told.status, table.forged):
        post = _post(scenario, handed, told, f"{name}.forged")
        assert post is not None, "the receipts of this lane come as hooks"
        post = msgspec.structs.replace(post, forged=True)
        yield msgspec.structs.replace(telling, key=f"{telling.key}.forged", news=(), handed=None, post=post)


def _post(scenario: Scenario, handed: Handed, told: Receipt, name: str) -> Post | None:
    """The hook in which Meta tells it, where a source says that it does."""
    source = next((hook.name for hook in scenario.hooks if handed.lane in hook.lanes), None)
    if source is None:
        return None
    body = meta_body("statuses", [status_of(told, handed.to)], told.at_us or 0)
    return Post(source=source, body=body, updates=(f"{source}/{name}",))


def lanes_of_account(scenario: Scenario, lane: str) -> tuple[str, ...]:
    """The lanes that share an account with one, itself among them."""
    lanes = scenario.settings.lanes
    own = next(known for known in lanes if known.name == lane)
    if not own.account:
        return (lane,)
    return tuple(one.name for one in lanes if (one.provider, one.account) == (own.provider, own.account))
