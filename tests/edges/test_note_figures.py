"""Answers for the figures of what was noted: what is shown is what the library's own counters would show."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from adapters.note_figures import NoteFigures

NAMES = st.sampled_from(["attempt", "lane", "record_again"])
LANES = st.sampled_from(["calls", "mail"])
# Around every bound, in microseconds.
TOOK_US = st.sampled_from([0, 4_999, 5_000, 5_001, 20_000, 2_000_000, 600_000_000, 600_000_001])


@given(noted=st.lists(st.tuples(NAMES, LANES, st.sampled_from(["taken", "transient"]), TOOK_US)))
def test_notes_are_shown_as_the_library_shows_them(noted: list[tuple[str, str, str, int]]) -> None:
    """Counters and histogram of whatever was noted read as those of the library."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    figures = NoteFigures()
    ours.register(figures)
    notes = Counter("tidings_notes", "Things that happened, by name.", ["note"], registry=theirs)
    labels = ["channel", "lane", "outcome"]
    attempts = Counter("tidings_attempts", "Attempts by what they came to.", labels, registry=theirs)
    buckets = (0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600)
    took = Histogram("tidings_attempt_seconds", "How long attempts took.", ["lane"], buckets=buckets, registry=theirs)
    for name, lane, outcome, took_us in noted:
        figures.count(name, {"channel": "email", "lane": lane, "outcome": outcome, "took_us": took_us})
        notes.labels(name).inc()
        if name == "attempt":
            attempts.labels("email", lane, outcome).inc()
            took.labels(lane).observe(took_us / 1_000_000)
    assert _shown(ours) == _shown(theirs)


def _shown(registry: CollectorRegistry) -> list[str]:
    # When each of its counters was made, the library tells as well; nobody reads that.
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]
