"""Logs made by hand, for laws to judge: events of a few messages, and what the other side is said to have seen.

This file answers for evidence of any shape, also of one that no daemon would leave. It must never run anything.
"""

from pathlib import Path

from core import events as e
from core.outcomes import Failure
from core.records import Recorded
from eventstore.durable import Durable
from scenarios.draws import Draws
from scenarios.file.loading import read
from scenarios.laws.evidence import Evidence
from scenarios.laws.finding import Finding
from scenarios.laws.registry import Judge
from scenarios.world.books import Books, Handed
from scenarios.world.ground import Life
from scenarios.world.randomness import SimulatedSecrets

SECOND_US = 1_000_000
_HEAD = """\
name = "Made by hand"
why = "A law looks at it."
start = 2026-01-30T08:00:00Z
runs_for = "1h"
"""


class Doctored:
    """A log that grows event by event; `at_s` are seconds since the start."""

    def __init__(self, text: str = "") -> None:
        self.scenario = read(_HEAD + text, Path("doctored.toml"))
        self.events: list[Recorded] = []
        self.books = Books()
        self._versions: dict[int, int] = {}
        self._tenants: dict[int, str] = {}
        self._causes: dict[int, int] = {}

    def us(self, at_s: float) -> int:
        """Log time."""
        return self.scenario.start_us + round(at_s * SECOND_US)

    def accept(
        self,
        stream: int,
        at_s: float,
        *,
        conversation: int = 100,
        tenant: str = "org",
        channel: str = "email",
        host: int | None = None,
        policy: str | None = None,
        due_s: float | None = None,
        expires_s: float | None = None,
        order: e.Order = "fifo",
        zone: str | None = None,
        lanes: tuple[str, ...] = (),
        fallbacks: int = 0,
        fallback_by_s: float | None = None,
        has_template: bool = False,
        marketing: bool = False,
        cause: int = 0,
        fans_out: bool = False,
        is_part: bool = False,
    ) -> None:
        """A message is accepted; it is called `m/STREAM`."""
        self._tenants[stream], self._causes[stream] = tenant, cause
        self.add(
            stream,
            at_s,
            e.MessageAccepted(
                channel=channel,
                lane=lanes[0] if lanes else channel,
                conversation=conversation,
                due_us=self.us(at_s if due_s is None else due_s),
                expires_us=None if expires_s is None else self.us(expires_s),
                order=order,
                host=host,
                policy=policy,
                trace=f"m/{stream}",
                zone=zone,
                lanes=lanes,
                fallbacks=fallbacks,
                fallback_by_us=None if fallback_by_s is None else self.us(fallback_by_s),
                has_template=has_template,
                marketing=marketing,
                caused_by="msg" if cause else "",
                fans_out=fans_out,
                is_part=is_part,
            ),
        )

    def add(self, stream: int, at_s: float, *events: e.Event) -> None:
        """Events of one stream, recorded together."""
        for event in events:
            version = self._versions[stream] = self._versions.get(stream, 0) + 1
            self.events.append(
                Recorded(
                    stream=stream,
                    version=version,
                    shard=0,
                    seq=len(self.events) + 1,
                    at_us=self.us(at_s),
                    tenant=self._tenants.get(stream, ""),
                    cause=self._causes.get(stream, 0),
                    event=event,
                    link=b"",
                )
            )

    def start(self, stream: int, at_s: float, *, attempt: int = 1, lane: str = "email", probe: bool = False) -> None:
        """An attempt is begun."""
        deadline_us = self.us(at_s + 30)
        self.add(
            stream,
            at_s,
            e.AttemptStarted(attempt=attempt, lane=lane, policy_version=1, deadline_us=deadline_us, probe=probe),
        )

    def fail(
        self,
        stream: int,
        at_s: float,
        outcome: Failure,
        *,
        attempt: int = 1,
        due_s: float | None = None,
        used: bool = True,
        after: tuple[e.Event, ...] = (),
    ) -> None:
        """The attempt comes to nothing; `after` is recorded together with it."""
        failed = e.AttemptFailed(
            attempt=attempt,
            outcome=outcome,
            used=used,
            due_us=None if due_s is None else self.us(due_s),
            sent_at_us=self.us(at_s),
            took_us=0,
        )
        self.add(stream, at_s, failed, *after)

    def tell(
        self, stream: int, at_s: float, status: e.ReceiptStatus, *, attempt: int = 1, failure: Failure | None = None
    ) -> None:
        """Its provider tells what became of it."""
        self.add(stream, at_s, e.ReceiptSeen(status=status, attempt=attempt, failure=failure))

    def take(self, stream: int, at_s: float, *, attempt: int = 1, sent_s: float | None = None) -> None:
        """The other side takes it."""
        sent_us = self.us(at_s if sent_s is None else sent_s)
        self.add(stream, at_s, e.AttemptTaken(attempt=attempt, status="sent", sent_at_us=sent_us, took_us=0))

    def hand(
        self, stream: int, at_s: float, *, attempt: int = 1, is_taken: bool = True, key: str | None = None
    ) -> None:
        """A request arrives at the other side as it leaves us."""
        since_us = round(at_s * SECOND_US)
        self.books.handed.append(
            Handed(
                key=f"m/{stream}" if key is None else key,
                message=f"msg_{stream}",
                stream=stream,
                attempt=attempt,
                lane="email",
                tenant="org",
                to="reader@example.com",
                content=b"{}",
                at_us=since_us,
                log_us=self.us(at_s),
                arrives_us=since_us,
                is_taken=is_taken,
                is_idempotent=False,
                was_intended=True,
            )
        )

    def evidence(self) -> Evidence:
        """What a run with this log would leave."""
        life = Life(
            began_us=self.us(0), ready_us=self.us(0), stopping_us=self.us(3600), ended_us=self.us(3600), ended_by="end"
        )
        return Evidence(
            scenario=self.scenario,
            seed=0,
            crash_at=(),
            events=self.events,
            durable=Durable(),
            books=self.books,
            subjects={},
            bodies={},
            keyed=frozenset(),
            keys={},
            lives=(life,),
            memories=(),
            findings=(),
            unfinished=(),
            forged=frozenset(),
            wishes=(),
            secrets=SimulatedSecrets(Draws(0)),
            boundaries=0,
            stuck="",
        )

    def findings(self, judge: Judge) -> list[Finding]:
        """What a law finds in it."""
        return list(judge(self.evidence()))

    def words(self, judge: Judge) -> str:
        """The same in words, a line each."""
        return "\n".join(finding.words for finding in self.findings(judge))
