"""Law 8: a peer received something twice only where the log says that the outcome was ambiguous."""

from collections.abc import Iterator
from itertools import pairwise

from core.outcomes import Ambiguous
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.world.books import Handed


def twice_only_in_doubt(evidence: Evidence) -> Iterator[Finding]:
    """Every request after which another one came is one whose outcome nobody could know."""
    outcomes = {(attempt.stream, attempt.number): attempt.outcome for attempt in evidence.chronicle.attempts}
    received: dict[str, list[Handed]] = {}
    for handed in evidence.books.deliveries():
        received.setdefault(_asked_once(evidence, handed), []).append(handed)
    for key, all_of_it in received.items():
        for one, again in pairwise(all_of_it):
            doubtful = min(one, again, key=lambda handed: (handed.stream, handed.attempt))
            if (one.stream, one.attempt) == (again.stream, again.attempt):
                words = f"the other side of {key} took attempt {one.attempt} twice: one intent, two requests"
            elif one.stream != again.stream:
                words = f"{key} was asked for once, and became two messages that both arrived"
            elif not isinstance(outcomes.get((doubtful.stream, doubtful.attempt)), Ambiguous):
                words = (
                    f"the other side of {key} took attempts {one.attempt} and {again.attempt}, and the log has no doubt"
                    " about the first"
                )
            else:
                continue
            yield Finding(words=words, at_us=again.log_us, streams=(one.stream, again.stream))


def _asked_once(evidence: Evidence, handed: Handed) -> str:
    """What a client asked for once: calls under one idempotency key are one request, without a key each is its own."""
    return handed.key if evidence.has_key(handed.key) else f"{handed.key} as {handed.message}"
