"""Law 8: a peer received something twice only where the log says that the outcome was ambiguous.

What takes the place of a message on another channel is the same thing to its peer, and so is what was asked for twice
under one idempotency key.
"""

from collections.abc import Iterator
from itertools import pairwise

from core import events as e
from core.news import Receipt
from core.outcomes import Ambiguous
from scenarios.laws.chronicle import Story
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.world.books import Handed
from scenarios.world.naming import named


def twice_only_in_doubt(evidence: Evidence) -> Iterator[Finding]:
    """Every request after which another one came is one whose outcome nobody could know."""
    received: dict[str, list[Handed]] = {}
    lost = _lost_later(evidence)
    for handed in evidence.deliveries:
        # A copy that its provider made is nothing that we could have known of.
        if (handed.stream, handed.attempt) not in lost and not handed.is_copy:
            received.setdefault(_asked_once(evidence, handed), []).append(handed)
    for key, all_of_it in received.items():
        for one, again in pairwise(all_of_it):
            words = _not_in_doubt(evidence, key, one, again)
            if words:
                yield Finding(words=words, at_us=again.log_us, streams=(one.stream, again.stream))
    for story in evidence.chronicle.stories.values():
        yield from _after_its_receipt(story)
    yield from _called_alike(evidence)


def _not_in_doubt(evidence: Evidence, key: str, one: Handed, again: Handed) -> str:
    """Why two deliveries in a row should not have been; empty where the log shows the doubt between them."""
    stories = evidence.chronicle.stories
    if (one.stream, one.attempt) == (again.stream, again.attempt):
        return f"the other side of {key} took attempt {one.attempt} twice: one intent, two requests"
    if one.stream != again.stream and one.key == again.key:
        return f"{key} was asked for once, and became two messages that both arrived"
    if one.stream != again.stream:
        first = min(one, again, key=lambda handed: handed.stream)
        is_doubted = _is_doubted(stories[first.stream])
        return "" if is_doubted else f"{key} arrived, and so did what took its place: the log has no doubt about it"
    doubtful = min(one.attempt, again.attempt)
    outcome = next((known.outcome for known in stories[one.stream].attempts if known.number == doubtful), None)
    if isinstance(outcome, Ambiguous):
        return ""
    return (
        f"the other side of {key} took attempts {one.attempt} and {again.attempt}, and the log has no doubt about the"
        " first"
    )


def _is_doubted(story: Story) -> bool:
    """Whether nobody could be sure that a message had arrived: no answer came, or its provider said that it had not."""
    return any(isinstance(attempt.outcome, Ambiguous) for attempt in story.attempts) or any(
        isinstance(entry.event, e.ReceiptSeen) and entry.event.status == "failed" for entry in story.entries
    )


def _after_its_receipt(story: Story) -> Iterator[Finding]:
    """What its provider is known to have is never sent again."""
    if e.ReceiptSeen not in story.kinds:
        return
    is_there = False
    for entry in story.entries:
        if isinstance(entry.event, e.ReceiptSeen) and entry.event.status != "failed":
            is_there = True
        elif is_there and isinstance(entry.event, e.AttemptStarted):
            words = f"{story.key} was started after its provider had told that it has it"
            yield Finding(words=words, at_us=entry.at_us, streams=(story.stream,))


def _called_alike(evidence: Evidence) -> Iterator[Finding]:
    """A message has one name in all its attempts: by it an idempotent provider knows it again."""
    names: dict[int, str] = {}
    for handed in evidence.books.handed:
        if names.setdefault(handed.stream, handed.message) != handed.message:
            words = f"{handed.key} was called otherwise in attempt {handed.attempt} than in one before"
            yield Finding(words=words, at_us=handed.log_us, streams=(handed.stream,))


def _lost_later(evidence: Evidence) -> set[tuple[int, int]]:
    """Requests whose provider took them, and told later that they never arrived."""
    told: dict[tuple[int, int], set[str]] = {}
    for posted in evidence.books.posted:
        if posted.handed is not None:
            told.setdefault(posted.handed, set()).update(n.status for n in posted.news if isinstance(n, Receipt))
    return {handed for handed, words in told.items() if "failed" in words and words.isdisjoint({"delivered", "read"})}


def _asked_once(evidence: Evidence, handed: Handed) -> str:
    """What was asked for once, on each device: calls under one idempotency key are one, without a key each is its own.

    A message and what takes its place were asked for together.
    """
    stories = evidence.chronicle.stories
    root, device = stories.get(handed.stream), handed.key.partition("@")[2]
    while root is not None and root.accepted.caused_by == "msg" and root.cause in stories:
        root = stories[root.cause]
    key = named(handed.key if root is None else root.key)
    name = key if evidence.has_key(key) else f"{key} as {handed.message if root is None else root.stream}"
    return f"{name} on {device}" if device else name
