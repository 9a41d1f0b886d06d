"""What a check has come to so far: what was looked at, what is wrong, and what is under way.

This file answers for findings that stay few, however damaged a log is. It must never judge what is wrong.
"""

from typing import Final

import msgspec

from eventstore.tallying import Counts, add

# More of the same helps nobody: a damaged page alone can spoil dozens of events.
FAULTS_MAX: Final = 20
# Attempts that were under way are named for a person to look at; after a crash there may be more than anybody reads.
IN_FLIGHT_NAMED_MAX: Final = 100


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that does not hold. Numbers are 0 where it concerns no single event or stream."""

    what: str
    shard: int = 0
    seq: int = 0
    stream: int = 0
    version: int = 0

    def __str__(self) -> str:
        """One line for a person."""
        place = f"shard {self.shard}, seq {self.seq}, stream {self.stream}, version {self.version}: "
        return f"{place if self.seq else f'stream {self.stream}: ' if self.stream else ''}{self.what}"


class InFlight(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that has started and has no outcome yet: it is out now, or a crash left it open."""

    stream: int
    attempt: int
    lane: str
    started_us: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and what was found: no faults means that the log is sound. The first one comes first."""

    events: int
    streams: int
    messages: int
    parked: int
    faults: tuple[Fault, ...]
    attempts_open: int = 0
    in_flight: tuple[InFlight, ...] = ()


class EnoughFound(Exception):
    """The check has found so much that more would help nobody."""


class Findings(msgspec.Struct, kw_only=True):
    """The findings of one walk, or of several added up."""

    events: int = 0
    streams: int = 0
    messages: int = 0
    parked: int = 0
    attempts_open: int = 0
    in_flight: list[InFlight] = []
    faults: list[Fault] = []
    counts: Counts = {}

    def fault(self, fault: Fault) -> None:
        """One more thing that is wrong. Raises EnoughFound with the last that is kept."""
        self.faults.append(fault)
        if len(self.faults) >= FAULTS_MAX:
            raise EnoughFound

    def out(self, attempt: InFlight) -> None:
        """One more attempt that is under way."""
        self.attempts_open += 1
        self.in_flight.append(attempt)
        if len(self.in_flight) >= 2 * IN_FLIGHT_NAMED_MAX:
            self.in_flight = _named(self.in_flight)

    def add(self, other: "Findings") -> None:
        """What another walk found, beside this one."""
        self.events += other.events
        self.streams += other.streams
        self.messages += other.messages
        self.parked += other.parked
        self.attempts_open += other.attempts_open
        self.in_flight = _named([*self.in_flight, *other.in_flight])
        self.faults = [*self.faults, *other.faults][:FAULTS_MAX]
        for key, (messages, attempts) in other.counts.items():
            add(self.counts, key, messages, attempts)

    def report(self) -> Report:
        """All of it, as it is told."""
        return Report(
            events=self.events,
            streams=self.streams,
            messages=self.messages,
            parked=self.parked,
            faults=tuple(self.faults),
            attempts_open=self.attempts_open,
            in_flight=tuple(_named(self.in_flight)),
        )


def _named(attempts: list[InFlight]) -> list[InFlight]:
    """The first by their streams, whatever order they were found in."""
    return sorted(attempts, key=lambda attempt: attempt.stream)[:IN_FLIGHT_NAMED_MAX]
