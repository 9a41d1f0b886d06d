"""Answers for the order to forget in scenarios: who is meant by it, how often, and that a world waits for its end."""

from typing import Final

import pytest

from actors.erasures import RUNNING_MAX
from core import events as e
from scenarios.laws.evidence import Evidence
from tests.promises.simulated import run, statuses

_FORGET: Final = '[[operator]]\nat = "30m"\ndo = "forget"\n'


def _counts(evidence: Evidence) -> tuple[int, int]:
    """Erasures that were begun, and those that are over."""
    begun, over = (
        sum(isinstance(entry.event, kind) for entry in evidence.events) for kind in (e.ErasureStarted, e.SubjectErased)
    )
    return begun, over


def test_an_order_means_everybody_once_however_many() -> None:
    """More people than erasures may be under way: whoever is refused is asked for again, and nobody else is."""
    count = RUNNING_MAX + 10
    world = run(
        f'[[arrive]]\ncount = {count}\nchannel = "email"\nto = "reader{{n}}@example.com"\nsend_at = "1h"\n{_FORGET}'
    )
    assert _counts(world) == (count, count)
    assert set(statuses(world).values()) == {"cancelled"}


def test_a_peer_of_many_messages_is_forgotten_once() -> None:
    """An order names messages; each of those whom they are for is forgotten once."""
    mails = '[[arrive]]\ncount = 9\nchannel = "email"\nto = "reader{n%3}@example.com"\nsend_at = "1h"\n'
    world = run(mails + _FORGET)
    assert _counts(world) == (3, 3)
    assert list(statuses(world).values()) == ["cancelled"] * 9


def test_a_world_does_not_end_before_an_erasure_does() -> None:
    """With nothing else to wait for, and a disk slower than what is left of the time, it is waited for all the same."""
    world = run(
        '[disk]\nlatency = { median = "8s", p99 = "9s" }\n[[arrive]]\ncount = 3\nchannel = "email"\n'
        'to = "reader{n}@example.com"\n[[operator]]\nat = "7199s"\ndo = "forget"\n'
    )
    assert _counts(world) == (3, 3)
    assert world.events[-1].at_us > world.scenario.start_us + world.scenario.runs_for_us


def test_hooks_are_nobodys_and_pushes_are_a_users() -> None:
    """The peer of a hook is no address of a person; that of a push is a user, whose devices go with them."""
    world = run(
        '[hooks.stripe]\nscheme = "stripe"\norder_by = "/data/object/customer"\n'
        '[[device]]\ncount = 2\nuser = "customer"\ndevice = "phone{n}"\ntoken = "atoken{n}"\n'
        '[[arrive]]\nhook = "stripe"\ncount = 2\ncontent = { data = { object = { customer = "cus{n}" } } }\n'
        '[[arrive]]\nat = "1m"\nchannel = "push"\nto = "customer"\n' + _FORGET
    )
    begun = [entry.event for entry in world.events if isinstance(entry.event, e.ErasureStarted)]
    assert {event.channel for event in begun} == {"push"}
    # The user, and the conversation with each of their devices.
    assert len(begun) == 3
    assert sum(isinstance(entry.event, e.DeviceRemoved) for entry in world.events) == 2
    hooks = {story.stream for story in world.chronicle.stories.values() if story.accepted.channel == "hook"}
    assert len(hooks) == 2
    assert hooks <= world.durable.sealed.keys()


def test_who_writes_meanwhile_is_asked_to_come_again() -> None:
    """While an address is closed a client hears to wait, and its message is the first of a new conversation."""
    world = run(
        '[disk]\nlatency = { median = "20ms", p99 = "20ms" }\n[[arrive]]\ncount = 150\nover = "15s"\nat = "1795s"\n'
        'channel = "email"\nto = "reader@example.com"\n' + _FORGET
    )
    told = world.books.told
    refused = {one.key for one in told if one.what == "refused"}
    taken = {one.stream: one.key for one in told if one.what == "accepted" and one.stream is not None}
    begun = {taken[story.stream]: story.accepted.conversation for story in world.chronicle.stories.values()}
    first, second = dict.fromkeys(begun.values())
    assert len(begun) == 150
    assert refused
    assert {begun[key] for key in refused} == {second} != {first}


@pytest.mark.slow
def test_an_address_is_closed_however_much_keeps_coming() -> None:
    """What comes faster than it can be cancelled is not run after: the sweep behind the closed address finds it."""
    text = (
        '[disk]\nlatency = {{ median = "200ms", p99 = "200ms" }}\n'
        '[[arrive]]\nname = "before"\ncount = 300\nchannel = "webhook"\nto = "{to}"\nsend_at = "1h"\n'
        '[[arrive]]\nname = "later"\nat = "10s"\nover = "3m"\ncount = 1100\nchannel = "webhook"\nto = "{to}"\n'
        'send_at = "1h"\n[[operator]]\nat = "20s"\ndo = "forget"\n'
    )
    world = run(text.format(to="https://shop.example/orders"))
    refused = [one.at_us for one in world.books.told if one.what == "refused"]
    assert min(refused) < 180_000_000
    assert _counts(world) == (1, 1)
