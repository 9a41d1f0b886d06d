"""Answers for numbers that stand in sentences of the documents: they are those of the code."""

from typing import Final, get_args

import pytest

from actors.erasures import RUNNING_MAX
from actors.errands import REFERENCE_MAX
from adapters.channels.accounts import WebhookSettings
from adapters.web.states import PAGE_MAX, MessageQuery
from adapters.web.subjects import WITHIN_US
from core.contents import METADATA_BYTES_MAX
from core.lane_life import HOST_REFUSALS, HOST_REFUSALS_WITHIN_US
from core.outcomes import OutcomeName
from core.policies import DAY_US, MINUTE_US, SECOND_US, BreakerRule, CircuitRule, Schedule
from core.settings import Bounds
from scenarios.file.sides import Fault, Provider
from scenarios.laws.registry import LAWS
from tests.edges.documents.pages import ROOT

_IN_WORDS: Final = {2: "two", 5: "five", 10: "ten", 12: "twelve", 13: "thirteen", 14: "fourteen", 16: "sixteen"}
_CIRCUIT: Final = CircuitRule()
_BREAKER: Final = BreakerRule()


def _seconds(span_us: int | None) -> int:
    return (span_us or 0) // SECOND_US


def _ms(span_us: int | None) -> int:
    return (span_us or 0) // 1_000


# A number of the code, in the words in which its document says it.
SENTENCES: Final = {
    "README.md": [f"{_IN_WORDS[len(LAWS) - 1].capitalize()} laws are checked"],
    "docs/delivery.md": [
        f"comes to one of {_IN_WORDS[len(get_args(OutcomeName))]}",
        f"After {_CIRCUIT.failures} faults in a row nothing goes out for {_seconds(_CIRCUIT.cooldown_us)} s",
        f"when {_BREAKER.share * _BREAKER.of:.0f} of the last {_BREAKER.of} outcomes",
        f"within {_seconds(_BREAKER.within_us)} s were faults, for {_seconds(_BREAKER.cooldown_us)} s",
        f"doubling up to {_BREAKER.ceiling_us // MINUTE_US} minutes",
        f"{_IN_WORDS[HOST_REFUSALS]} conversations of a host",
        f"within {_IN_WORDS[_seconds(HOST_REFUSALS_WITHIN_US)]} seconds pause the host",
        f"All have a jitter of {Schedule(after_us=()).jitter}",
    ],
    "docs/erasure.md": [
        f"longer than {_IN_WORDS[_seconds(WITHIN_US)]} seconds",
        f"At most {RUNNING_MAX} are under way",
        f"for {Bounds().dedup_for_us // DAY_US} days",
    ],
    "docs/messages.md": [
        f"remembered for {Bounds().dedup_for_us // DAY_US} days",
        f"up to {METADATA_BYTES_MAX >> 10} KiB",
        f"{MessageQuery().limit} a page, at most {PAGE_MAX} with `limit`",
        f"at most {REFERENCE_MAX:,} a call",
        f"lane's timeout ({_seconds(WebhookSettings().timeout_us)} s)",
    ],
    "docs/operating.md": [f"within `stop_within` ({_seconds(Bounds().stop_within_us)} s)"],
    "docs/scenarios.md": [
        f"usually {_ms(Provider().latency.median_us)} ms and {_ms(Provider().latency.p99_us)} ms",
        f"`down`, {_seconds(Fault().down_us)} s unless said",
    ],
}


@pytest.mark.parametrize(("name", "words"), [(name, words) for name, many in SENTENCES.items() for words in many])
def test_numbers_in_sentences_are_those_of_the_code(name: str, words: str) -> None:
    """What is said in words has the numbers that hold."""
    assert words in " ".join((ROOT / name).read_text().split())
