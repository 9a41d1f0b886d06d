"""Law 1, after the end: no receipt is lost, each leads to one status, and what is owed is started once.

This file answers for holding the log against what providers really told, and for reading a message's status off its
receipts without any help of the code that folds them.
"""

from collections.abc import Iterator
from itertools import product
from typing import Final

from core import events as e
from core.news import Receipt
from scenarios.laws.chronicle import Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding

# The further a provider's word, the more it counts; a failure counts over a message that was merely sent.
_FURTHER: Final = ("sent", "failed", "delivered", "read")
_TAKEN: Final = frozenset(_FURTHER)
_UNDELIVERED: Final = frozenset({"dead", "expired", "cancelled", "failed"})


def receipts_are_kept(evidence: Evidence) -> Iterator[Finding]:
    """Whatever a provider was told that we have is in the log: at its message, or waiting for it."""
    named, strays = _names(evidence), _strays(evidence)
    for posted in evidence.books.posted:
        receipts = [news for news in posted.news if isinstance(news, Receipt)]
        if not receipts or posted.handed is None:
            continue
        story = evidence.chronicle.stories[posted.handed[0]]
        seen = {entry.event.status for entry in story.entries if isinstance(entry.event, e.ReceiptSeen)}
        for receipt in receipts:
            is_known = bool(receipt.echo) or any((lane, receipt.provider_id) in named for lane in posted.lanes)
            is_kept = not is_known and any((lane, receipt.status) in strays for lane in posted.lanes)
            if receipt.status not in seen and not is_kept:
                words = f"{story.key} is {receipt.status}, as we were told, and the log does not say so"
                yield Finding(words=words, streams=(story.stream,))


def _names(evidence: Evidence) -> set[tuple[str, str]]:
    """Under which provider's ids, in which lanes, the log knows a message."""
    found: set[tuple[str, str]] = set()
    for story in evidence.chronicle.stories.values():
        lanes = {attempt.number: attempt.lane for attempt in story.attempts}
        for entry in story.entries:
            event = entry.event
            if isinstance(event, e.AttemptTaken | e.AttemptProved) and event.provider_id:
                found.add((lanes[event.attempt], event.provider_id))
    return found


def _strays(evidence: Evidence) -> set[tuple[str, str]]:
    """What was told in which lanes of messages that nobody knew."""
    firsts = [entries[0].event for entries in evidence.chronicle.others.values()]
    return {(event.lane, event.status) for event in firsts if isinstance(event, e.StrayKept)}


def statuses_only_rise(evidence: Evidence, story: Story) -> Iterator[Finding]:
    """A message that was taken stands where the furthest of its receipts puts it, whatever order they came in."""
    head = evidence.durable.heads.get(story.stream)
    if head is None or head.status not in _TAKEN:
        return
    taken_as = [entry.event.status for entry in story.entries if isinstance(entry.event, e.AttemptTaken)]
    told = ["sent", *taken_as, *_told(story)]
    if head.status != max(told, key=_FURTHER.index):
        words = f"{story.key} is {head.status}, where its provider said {', '.join(told[1:]) or 'no more than sent'}"
        yield Finding(words=words, streams=(story.stream,))


def _told(story: Story) -> list[str]:
    """Every receipt that counts: a failure is about its own attempt, a success about the message."""
    if e.ReceiptSeen not in story.kinds:
        return []
    last = story.attempts[-1].number if story.attempts else 0
    seen = [entry.event for entry in story.entries if isinstance(entry.event, e.ReceiptSeen)]
    return [event.status for event in seen if event.status != "failed" or event.attempt == last]


def what_is_owed_follows(evidence: Evidence, story: Story) -> Iterator[Finding]:
    """Of a message that ended undelivered exactly one takes the place, and of no other; each knows its cause."""
    yield from _cause(evidence, story)
    if not story.accepted.fallbacks:
        return
    # A push also leads to one for each device, which is called after that.
    children = [child for child in evidence.chronicle.caused_by(story.stream) if "@" not in child.key]
    started = [entry for entry in story.entries if isinstance(entry.event, e.FallbackStarted)]
    refused = [entry for entry in story.entries if isinstance(entry.event, e.FallbackRefused)]
    if len(started) + len(refused) > 1 or len(children) > 1:
        yield _finding(story, f"has {len(children)} messages in its place, and says so {len(started)} times")
    for entry in started:
        assert isinstance(entry.event, e.FallbackStarted), "it was chosen for that"
        if [child.stream for child in children] != [entry.event.message]:
            yield _finding(story, "names another message as its fallback than the one that it caused", entry.at_us)
    for child in children:
        yield from _began(story, child)
    if evidence.has_ended and _owes(evidence, story) and not started and not refused:
        yield _finding(story, "ended undelivered, and nothing took its place")
    # Where its provider told of success between the two, nothing is owed any more, and nobody comes back to say it.
    is_there_after_all = max(_told(story), key=_FURTHER.index, default="failed") != "failed"
    if evidence.has_ended and children and not started and not is_there_after_all:
        yield _finding(story, "has a message in its place, and does not say so")


def _cause(evidence: Evidence, story: Story) -> Iterator[Finding]:
    if not story.accepted.caused_by:
        return
    if story.cause not in evidence.chronicle.stories:
        yield _finding(story, "was caused by a message that the log does not know")


def _began(story: Story, child: Story) -> Iterator[Finding]:
    """What takes the place of another begins once that one has ended undelivered, as far as anybody knew."""
    began_us = child.entries[0].at_us
    if not _has_failed(story, began_us):
        yield _finding(story, "was replaced before it had ended", began_us)


def pushes_hear_of_their_parts(evidence: Evidence, story: Story) -> Iterator[Finding]:
    """A push to a user has failed once the messages for all of their devices have, and not before."""
    if not story.accepted.fans_out:
        return
    parts = [child for child in evidence.chronicle.caused_by(story.stream) if child.accepted.is_part]
    seen = [(entry.event, entry.at_us) for entry in story.entries if isinstance(entry.event, e.ReceiptSeen)]
    for part, (event, at_us) in product(parts, seen):
        if event.status == "failed" and not _has_failed(part, at_us):
            yield _finding(story, f"counts as failed, though {part.key} may still arrive", at_us)
    heads = [evidence.durable.heads[stream] for stream in (story.stream, *(part.stream for part in parts))]
    is_silent = heads[0].status == "sent" and not any(head.owes for head in heads)
    if evidence.has_ended and parts and is_silent and all(head.status in _UNDELIVERED for head in heads[1:]):
        yield _finding(story, "counts as sent, and reached no device")


def _has_failed(story: Story, at_us: int) -> bool:
    """Whether it had ended undelivered by then, as far as anybody knew."""
    known = [entry.event for entry in story.entries if entry.at_us <= at_us]
    ends = (e.MessageDead, e.MessageExpired, e.MessageCancelled)
    return any(isinstance(one, ends) or (isinstance(one, e.ReceiptSeen) and one.status == "failed") for one in known)


def _owes(evidence: Evidence, story: Story) -> bool:
    """Whether it ended undelivered, nobody wanted it to, and nobody is going to see to it any more."""
    head = evidence.durable.heads.get(story.stream)
    if head is None or head.owes or max(_told(story), key=_FURTHER.index, default="failed") != "failed":
        return False
    cancelled = [entry.event.reason for entry in story.entries if isinstance(entry.event, e.MessageCancelled)]
    if head.status == "cancelled":
        return cancelled[-1:] == ["fallback"]
    return head.status in _UNDELIVERED


def _finding(story: Story, words: str, at_us: int | None = None) -> Finding:
    return Finding(words=f"{story.key} {words}", at_us=at_us, streams=(story.stream,))
