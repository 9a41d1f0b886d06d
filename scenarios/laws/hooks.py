"""Law 13: a hook is taken once, and only where it is genuine; what it tells is heeded first, and its handler gets the
hooks of one order key in the order in which they came.
"""

from collections.abc import Iterator, Mapping

from core import events as e
from scenarios.laws.chronicle import CONCLUSIONS, Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.waiting import slack_us


def hooks_are_taken_once_and_in_order(evidence: Evidence) -> Iterator[Finding]:
    """Judges what senders were told, then what became of it."""
    if not evidence.scenario.hooks:
        return
    hooks = [story for story in evidence.chronicle.stories.values() if story.accepted.channel == "hook"]
    yield from _told(evidence)
    by_key: dict[str, list[Story]] = {}
    for story in hooks:
        by_key.setdefault(story.key, []).append(story)
    for key, stories in by_key.items():
        if len(stories) > 1:
            words = f"{key} came as one event, and became {len(stories)} messages"
            yield Finding(words=words, streams=tuple(story.stream for story in stories))
        if key in evidence.forged:
            yield Finding(words=f"{key} was signed by somebody else, and was taken", streams=(stories[0].stream,))
    yield from _heeded_first(evidence, by_key)
    in_order: dict[int, list[Story]] = {}
    for story in hooks:
        in_order.setdefault(story.accepted.conversation, []).append(story)
    for stories in in_order.values():
        # Of several daemons each has its place in the order when it takes a hook in, not when that is in the log.
        place = _place_in_log if evidence.scenario.daemons == 1 else _place_as_taken_in
        yield from _in_turn(sorted(stories, key=place), slack_us(evidence))


def _told(evidence: Evidence) -> Iterator[Finding]:
    """Whoever is genuine is answered with success in the end, whatever its handler does."""
    for told in evidence.books.told:
        subject = evidence.subjects.get(told.key)
        if subject is not None and subject.channel == "hook" and told.what in {"rejected", "unknown"}:
            yield Finding(words=f"the sender of {told.key} was told: {told.words or told.what}")


def _heeded_first(evidence: Evidence, by_key: Mapping[str, list[Story]]) -> Iterator[Finding]:
    """Receipts that a hook brings are in the log before its message is: a crash in between loses nothing."""
    places = {(entry.stream, entry.version): place for place, entry in enumerate(evidence.events)}
    # Where the log says it: of a message, or of one that nobody knew yet.
    seen: dict[tuple[int, str], int] = {}
    kept: dict[str, int] = {}
    for story in evidence.chronicle.stories.values():
        for entry in story.entries:
            if isinstance(entry.event, e.ReceiptSeen):
                seen.setdefault((story.stream, entry.event.status), places[entry.stream, entry.version])
    for first, *_ in evidence.chronicle.others.values():
        if isinstance(first.event, e.StrayKept):
            kept.setdefault(first.event.status, places[first.stream, 1])
    for posted in evidence.books.posted:
        if posted.hook is None or posted.handed is None or posted.hook not in by_key:
            continue
        taken = places[by_key[posted.hook][0].stream, 1]
        status = posted.hook.rpartition(".")[2]
        heeded = min(seen.get((posted.handed[0], status), taken), kept.get(status, taken))
        if heeded >= taken:
            words = f"{posted.hook} was taken charge of before what it tells was recorded"
            yield Finding(words=words, streams=(posted.handed[0], by_key[posted.hook][0].stream))


def _place_in_log(story: Story) -> tuple[int, int]:
    return story.entries[0].seq, story.stream


def _place_as_taken_in(story: Story) -> tuple[int, int]:
    return story.accepted.due_us, story.stream


def _in_turn(stories: list[Story], slack_us: int) -> Iterator[Finding]:
    """Of two hooks the later one is not handed to the handler while the earlier one still waits for its first turn.

    One that another daemon took in may still be on its way into the log when the later one is begun.
    """
    for place, story in enumerate(stories):
        first = next((entry for entry in story.entries if isinstance(entry.event, e.AttemptStarted)), None)
        if first is None:
            continue
        for earlier in stories[:place]:
            left = next((entry for entry in earlier.entries if type(entry.event) in _LEAVES), None)
            came_late = earlier.accepted.due_us < earlier.entries[0].at_us
            known_us = earlier.entries[0].at_us + (slack_us if came_late else 0)
            is_there = earlier.entries[0].seq < first.seq and known_us <= first.at_us
            if is_there and (left is None or left.seq > first.seq):
                words = f"{story.key} was handed on before {earlier.key}, which had come first"
                yield Finding(words=words, at_us=first.at_us, streams=(story.stream, earlier.stream))
                break


# With these a hook is out of the way of those behind it.
_LEAVES = CONCLUSIONS | {e.MessageSetAside, e.MessageHeld}
