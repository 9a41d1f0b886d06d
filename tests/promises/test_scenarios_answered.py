"""[[answered]]: what is recorded of an attempt stands, and the books say for how many."""

from pathlib import Path

import pytest

from adapters.config.loading import Mistaken
from adapters.config.units import shown_span, span
from core import events as e
from scenarios.file.loading import read
from tests.promises.simulated import HEAD, run, statuses

_TWO = '[[arrive]]\nname = "m"\ncount = 2\nchannel = "email"\nto = "reader{n}@example.com"\nover = "1m"\n'
_DOWN = '[[fault]]\nlane = "email"\nfor = "10m"\nanswer = { status = 503 }\n'


def test_what_is_recorded_stands_before_faults_and_providers() -> None:
    """One attempt is taken in the middle of an outage, after exactly the recorded times; the other's meets it."""
    recorded = '[[answered]]\nmessage = "m/1"\nconnects = "250us"\ntakes = "340ms"\nprovider_id = "p-1"\n'
    evidence = run(_TWO + _DOWN + recorded)
    first = next(entry.event for entry in evidence.events if isinstance(entry.event, e.AttemptTaken))
    assert (first.attempt, first.took_us) == (1, 340_000)
    handed = next(handed for handed in evidence.books.handed if handed.key == "m/1")
    started = next(entry for entry in evidence.events if isinstance(entry.event, e.AttemptStarted))
    assert (handed.log_us - started.at_us, handed.provider_id) == (250, "p-1")
    assert statuses(evidence) == {"m/1": "sent", "m/2": "sent"}
    assert (evidence.books.recorded, evidence.books.modelled) == (1, len(evidence.books.met) - 1)
    assert evidence.books.modelled > 1


def test_a_recorded_failure_is_met_by_its_attempt_alone() -> None:
    """The second attempt is modelled: it is taken."""
    evidence = run(_TWO + '[[answered]]\nmessage = "m/2"\nattempt = 1\nanswer = { status = 500 }\n')
    failed = [entry.event for entry in evidence.events if isinstance(entry.event, e.AttemptFailed)]
    assert [one.attempt for one in failed] == [1]
    assert (evidence.books.recorded, evidence.books.modelled) == (1, 2)


def test_a_recorded_look_up_stands() -> None:
    """A provider that knows nothing is said to have known, and is believed."""
    text = (
        '[lanes.email]\nchannel = "email"\npolicy = { reconcile = "30s", on_ambiguous = "hold" }\n'
        + _TWO
        + '[[provider]]\nlooks_up = 0\n[[fault]]\nanswer = "lost_reply"\nattempt = 1\n'
        + '[[answered]]\nmessage = "m/1"\nattempt = 1\nanswer = "lost_reply"\nlooked_up = "20ms"\n'
    )
    assert statuses(run(text)) == {"m/1": "sent", "m/2": "held"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('message = "x/1"', "one of m"),
        ('message = "m/1"\nanswer = { status = 503, share = 0.5 }', "none, since it is what happened"),
        ('message = "m/1"\nconnects = "2s"\ntakes = "1s"', "not below connects, 2s"),
        ('message = "m/1"\n[[answered]]\nmessage = "m/1"', "each attempt once"),
    ],
)
def test_a_record_that_cannot_be_one_is_a_mistake(table: str, said: str) -> None:
    """Of no message, of chance, out of order, or twice."""
    text = f'{HEAD}runs_for = "1h"\n{_TWO}[[answered]]\n{table}\n'
    with pytest.raises(Mistaken, match=said):
        read(text, Path("small.toml"))


@pytest.mark.parametrize("span_us", [0, 1, 250, 1_500, 61_000_000, 86_400_000_001])
def test_every_microsecond_can_be_written(span_us: int) -> None:
    """A span is read as it is shown."""
    assert span()(shown_span(span_us)) == span_us
