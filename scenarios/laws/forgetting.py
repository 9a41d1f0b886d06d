"""Law 16: who was forgotten stays forgotten.

Once an erasure is over, nothing private of what came before is kept, nothing of it leaves any more, no address leads
there; and whoever wanted to hear nothing still hears nothing, while everybody else is somebody new.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from core import events as e
from core.records import Recorded
from scenarios.laws.chronicle import CONCLUSIONS, Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.world.naming import named

# Where people say themselves that they want no more: of these a suppression outlives an erasure.
_WITH_A_WILL: Final = frozenset({"email", "whatsapp"})


class _Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """One that is over: its conversation, and where in the log it ended."""

    conversation: int
    place: int
    ended: Recorded


def who_was_forgotten_stays_forgotten(evidence: Evidence) -> Iterator[Finding]:
    """Holds every erasure against the log and against what the store keeps."""
    for stream, entries in evidence.chronicle.others.items():
        begun, ended = entries[0].event, entries[-1]
        if not isinstance(begun, e.ErasureStarted):
            continue
        if not isinstance(ended.event, e.SubjectErased):
            if evidence.has_ended:
                yield Finding(words="somebody who is to be forgotten still is not", streams=(stream,))
            continue
        if stream in evidence.durable.sealed:
            yield Finding(words="an erasure is over, and who it was about is still kept", streams=(stream,))
        if begun.conversation:
            places = evidence.once(_places)
            place = places[stream, ended.version]
            yield from _forgotten(evidence, _Erasure(conversation=begun.conversation, place=place, ended=ended))


def _places(evidence: Evidence) -> dict[tuple[int, int], int]:
    """Where in the log each event stands."""
    return {(entry.stream, entry.version): place for place, entry in enumerate(evidence.events)}


def _forgotten(evidence: Evidence, erasure: _Erasure) -> Iterator[Finding]:
    places = evidence.once(_places)
    in_it = [one for one in evidence.chronicle.stories.values() if one.accepted.conversation == erasure.conversation]
    before = [story for story in in_it if places[story.stream, 1] < erasure.place]
    for story in before:
        yield from _is_over(evidence, erasure, story)
    if len(before) == len(in_it):
        yield from _leads_nowhere(evidence, erasure)
    if _was_suppressed(evidence, erasure):
        yield from _is_left_alone(evidence, erasure, before)
        in_it = [story for story in in_it if story.accepted.channel not in _WITH_A_WILL]
    for story in in_it:
        if story not in before:
            yield _finding(erasure, story, "came after its peer was forgotten, and is of the old conversation")


def _is_over(evidence: Evidence, erasure: _Erasure, story: Story) -> Iterator[Finding]:
    """One message: it had ended, nothing left afterwards, and nothing private of it is there."""
    places = evidence.once(_places)
    past = [entry.event for entry in story.entries if places[entry.stream, entry.version] < erasure.place]
    later = [entry.event for entry in story.entries if places[entry.stream, entry.version] > erasure.place]
    if story.stream in evidence.durable.sealed:
        yield _finding(erasure, story, "is for somebody who was forgotten, and what is private of it is still kept")
    if not _has_ended(past):
        yield _finding(erasure, story, "was still open when its peer was forgotten")
    if any(isinstance(event, e.AttemptStarted | e.MessageRedriven) for event in later):
        yield _finding(erasure, story, "went on though its peer was forgotten")


def _has_ended(events: Sequence[e.Event]) -> bool:
    has_ended = False
    for event in events:
        if type(event) in CONCLUSIONS:
            has_ended = True
        elif isinstance(event, e.MessageRedriven):
            has_ended = False
    return has_ended


def _leads_nowhere(evidence: Evidence, erasure: _Erasure) -> Iterator[Finding]:
    if any(abs(conversation) == erasure.conversation for conversation in evidence.durable.addresses.values()):
        words = "the address of somebody who was forgotten still leads to their conversation"
        yield Finding(words=words, at_us=erasure.ended.at_us, streams=(erasure.conversation,))


def _is_left_alone(evidence: Evidence, erasure: _Erasure, before: Sequence[Story]) -> Iterator[Finding]:
    """Whoever wanted nothing more, or could not be reached, is no other person for having been forgotten."""
    places = evidence.once(_places)
    peers = {_peer_of(evidence, story) for story in before} - {None}
    for story in evidence.chronicle.stories.values():
        is_later = places[story.stream, 1] > erasure.place
        if is_later and story.accepted.conversation != erasure.conversation and _peer_of(evidence, story) in peers:
            yield _finding(erasure, story, "is for somebody who wanted no more, and was taken for somebody new")


def _was_suppressed(evidence: Evidence, erasure: _Erasure) -> bool:
    places = evidence.once(_places)
    is_unwanted = is_unreachable = False
    for entry in evidence.chronicle.conversations.get(erasure.conversation, ()):
        if places[entry.stream, entry.version] > erasure.place:
            break
        match entry.event:
            case e.PeerSuppressed(reason="optout"):
                is_unwanted = True
            case e.PeerSuppressed():
                is_unreachable = True
            case e.PeerRestored(by="peer"):
                is_unwanted = False
            case e.PeerRestored(by="reached"):
                is_unreachable = False
            case e.PeerRestored():
                is_unwanted = is_unreachable = False
            case _:
                pass
    return is_unwanted or is_unreachable


def _peer_of(evidence: Evidence, story: Story) -> tuple[str, str, str] | None:
    """Whom a message is for; None where an opt-out is nobody's who can be named before any message."""
    subject = evidence.subjects.get(named(story.key))
    if subject is None or subject.channel not in _WITH_A_WILL:
        return None
    return subject.tenant, subject.channel, subject.to


def _finding(erasure: _Erasure, story: Story, words: str) -> Finding:
    return Finding(words=f"{story.key} {words}", at_us=erasure.ended.at_us, streams=(story.stream,))
