"""Law 16 on what a sound run left, doctored afterwards: whatever is kept of somebody who was forgotten is found."""

from typing import Final

import pytest
from msgspec.structs import replace

from core import events as e
from core.records import Recorded
from scenarios.laws.evidence import Evidence
from scenarios.laws.forgetting import who_was_forgotten_stays_forgotten
from scenarios.laws.registry import breaches
from scenarios.laws.replay import state_is_the_fold
from scenarios.run.running import run_once
from scenarios.world.remembering import RememberedDurable
from tests.promises.simulated import scenario

# One message has left, one waits for tomorrow, and one comes when its peer is forgotten already.
_WORLD: Final = """\
[[arrive]]
name = "first"
channel = "whatsapp"
to = "+972500000001"
[[arrive]]
name = "waits"
channel = "whatsapp"
to = "+972500000001"
send_at = "1d"
[[operator]]
at = "10m"
do = "forget"
[[arrive]]
name = "later"
at = "20m"
channel = "whatsapp"
to = "+972500000001"
"""
_NO_MORE: Final = '[[peer]]\nat = "5m"\ndid = "stopped"\narrivals = "first"\n'


def _lived(text: str) -> Evidence:
    evidence = run_once(scenario(text), 1)
    assert breaches(evidence) == []
    return evidence


@pytest.fixture
def evidence() -> Evidence:
    """A finished run, to be doctored."""
    return _lived(_WORLD)


def _words(evidence: Evidence) -> str:
    return "\n".join(finding.words for finding in who_was_forgotten_stays_forgotten(evidence))


def _fold(evidence: Evidence) -> str:
    return "\n".join(finding.words for finding in state_is_the_fold(evidence))


def _first(evidence: Evidence, kind: type[e.Event]) -> Recorded:
    return next(entry for entry in evidence.events if isinstance(entry.event, kind))


def _without(evidence: Evidence, kind: type[e.Event]) -> Evidence:
    gone = _first(evidence, kind)
    return replace(evidence, events=[entry for entry in evidence.events if entry != gone])


def _with(evidence: Evidence, stream: int, event: e.Event) -> Evidence:
    """The same run in which one more event of a message was recorded at the very end."""
    last = [entry for entry in evidence.events if entry.stream == stream][-1]
    more = replace(last, version=last.version + 1, at_us=evidence.events[-1].at_us, event=event)
    return replace(evidence, events=[*evidence.events, more])


def _streams(evidence: Evidence) -> dict[str, int]:
    return {story.key: story.stream for story in evidence.chronicle.stories.values()}


def _said(evidence: Evidence, stream: int) -> None:
    """Puts the vault row of a stream back."""
    assert isinstance(evidence.durable, RememberedDurable)
    evidence.durable.sealed[stream] = evidence.durable.said[stream]


def test_an_erasure_that_is_not_over_is_found(evidence: Evidence) -> None:
    """Once the world is at rest nobody still waits to be forgotten."""
    assert "somebody who is to be forgotten still is not" in _words(_without(evidence, e.SubjectErased))


def test_an_erasure_that_still_knows_who_it_was_about_is_found(evidence: Evidence) -> None:
    """Its own vault row goes with its end."""
    _said(evidence, _first(evidence, e.ErasureStarted).stream)
    assert "who it was about is still kept" in _words(evidence)


@pytest.mark.parametrize("key", ["first/1", "waits/1"])
def test_a_private_row_that_is_still_there_is_found(evidence: Evidence, key: str) -> None:
    """Nothing private is kept of what was sent before, nor of what was cancelled."""
    _said(evidence, _streams(evidence)[key])
    assert f"{key} is for somebody who was forgotten, and what is private of it is still kept" in _words(evidence)


def test_a_message_that_nobody_ended_is_found(evidence: Evidence) -> None:
    """Before its peer is forgotten each message has ended, one way or another."""
    assert "waits/1 was still open when its peer was forgotten" in _words(_without(evidence, e.MessageCancelled))


def test_a_message_that_goes_on_is_found(evidence: Evidence) -> None:
    """Nothing of what came before is tried again."""
    started = _first(evidence, e.AttemptStarted)
    again = _with(evidence, _streams(evidence)["waits/1"], started.event)
    assert "waits/1 went on though its peer was forgotten" in _words(again)
    redriven = _with(evidence, _streams(evidence)["waits/1"], e.MessageRedriven(due_us=1))
    assert "waits/1 went on though its peer was forgotten" in _words(redriven)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_address_that_still_leads_there_is_found(evidence: Evidence, sign: int) -> None:
    """Be it open or closed."""
    forgotten = _first(evidence, e.ErasureStarted).event
    assert isinstance(forgotten, e.ErasureStarted)
    evidence.durable.addresses["org", "whatsapp", b"anybody"] = sign * forgotten.conversation
    assert "still leads to their conversation" in _words(evidence)


def test_whoever_wanted_no_more_is_nobody_new() -> None:
    """A message to them afterwards is one of the old conversation, where the suppression stands."""
    evidence = _lived(_WORLD + _NO_MORE)
    later = evidence.chronicle.stories[_streams(evidence)["later/1"]].entries[0]
    assert isinstance(later.event, e.MessageAccepted)
    other = replace(later, event=replace(later.event, conversation=later.event.conversation + 1))
    events = [other if entry == later else entry for entry in evidence.events]
    assert "later/1 is for somebody who wanted no more, and was taken for somebody new" in _words(
        replace(evidence, events=events)
    )


def test_whoever_is_written_to_afterwards_is_not_who_they_were(evidence: Evidence) -> None:
    """A message that lands in the conversation of somebody who was forgotten is found: it begins a new one."""
    forgotten = _first(evidence, e.ErasureStarted).event
    later = evidence.chronicle.stories[_streams(evidence)["later/1"]].entries[0]
    assert isinstance(forgotten, e.ErasureStarted)
    assert isinstance(later.event, e.MessageAccepted)
    same = replace(later, event=replace(later.event, conversation=forgotten.conversation))
    events = [same if entry == later else entry for entry in evidence.events]
    assert "later/1 came after its peer was forgotten, and is of the old conversation" in _words(
        replace(evidence, events=events)
    )


def test_whoever_wanted_more_is_somebody_new(evidence: Evidence) -> None:
    """Without a suppression the very same is right, and so is a suppression that was taken back before."""
    assert len({story.accepted.conversation for story in evidence.chronicle.stories.values()}) == 2
    back = '[[peer]]\nat = "8m"\nwithin = "1s"\ndid = "resumed"\narrivals = "first"\n'
    assert _words(_lived(_WORLD + _NO_MORE + back)) == ""


@pytest.mark.parametrize("text", [_WORLD, _WORLD + _NO_MORE], ids=["anew", "suppressed"])
def test_what_came_afterwards_is_kept(text: str) -> None:
    """An erasure takes what was there before its end, and nothing of what follows, be it in the same conversation."""
    evidence = _lived(text)
    del evidence.durable.sealed[_streams(evidence)["later/1"]]
    assert "has no vault row" in _fold(evidence)


def test_a_row_is_missed_where_nobody_asked_to_be_forgotten(evidence: Evidence) -> None:
    """A vault row may be gone for an erasure of its own conversation, and for no other."""
    started = _first(evidence, e.ErasureStarted)
    assert isinstance(started.event, e.ErasureStarted)
    other = replace(started.event, conversation=started.event.conversation + 1)
    evidence.durable.streams[started.stream][0] = replace(started, event=other)
    assert "has no vault row" in _fold(evidence)


def test_an_erasure_under_way_knows_whom_it_is_about(evidence: Evidence) -> None:
    """Without its vault row, or with another one than it committed to, nobody could go on with it."""
    stream = _first(evidence, e.ErasureStarted).stream
    ended = evidence.durable.streams[stream].pop()
    assert isinstance(ended.event, e.SubjectErased)
    assert f"stream {stream} was accepted and has no vault row" in _fold(evidence)
    _said(evidence, stream)
    assert "vault row" not in _fold(evidence)
    evidence.durable.sealed[stream] = replace(evidence.durable.sealed[stream], salt=b"another")
    assert f"the vault row of stream {stream} is not what was committed to" in _fold(evidence)
