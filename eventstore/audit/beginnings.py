"""The streams that begin in a stretch of a log, each looked at to its end while the stretch passes by.

This file answers for an event of a message being read once where its life is as short as most are, and for making
nothing of it that is not compared. It must never judge what is wrong: whatever is not plainly sound is looked at again
in the order of its stream, and with any fault so is the whole log.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter
from typing import Final, Protocol

from core import events as e
from core.message import Growing, begun, grow, head_row_of
from core.sealing import commitment_of
from eventstore.audit.findings import Fault, Findings, InFlight
from eventstore.audit.streams import NONSENSE, Addresses, Kept, StreamCheck
from eventstore.codec import READERS, EventRow, LinkedRow, linked
from eventstore.rows import HEAD_COLUMNS
from eventstore.tallying import add

# Most messages begin and end within so many events of a log; of the others the end is looked up. A few megabytes.
EVENTS_AT_ONCE: Final = 8_192

# What is kept beside a stream, as one row that nobody takes apart: whether all fits that its first event's row tells,
# the salt and the private bytes of its vault row, and of its head what only the fold tells; None where there is none.
# What fits: the first columns of the head, the tenant of the vault row, and the address. Of these streams only a
# conversation may have a snapshot, so with one nothing fits.
Beside = tuple[object, ...]
# A message and its shard.
Life = tuple[Growing, int]
# By stream; None for what is looked at closely.
Lives = dict[int, Life | None]

# The columns of a head that the fold tells, from its version on. Where it begins in a head, and in what is beside.
_FOLDED: Final = HEAD_COLUMNS.split(", ").index("version")
FOLDED_COLUMNS: Final = HEAD_COLUMNS.split(", ", _FOLDED)[_FOLDED]
_BEHIND: Final = 3

_ACCEPTED: Final = e.MessageAccepted.__name__.encode()
# Of a type that is not known every schema version is a newer release's.
_NEWER: Final = 0, READERS[_ACCEPTED][1]
_COUNTED: Final = attrgetter("tenant", "channel", "lane", "status", "attempt")


class BegunBook(Addresses, Protocol):
    """A log as it is read along the beginnings of its streams."""

    def begun(self, after: int, up_to: int) -> Iterator[Beside]:
        """What is kept beside the streams whose first events are these, in the order of arrival."""
        ...

    def rest(self, stream: int, version: int) -> Iterator[EventRow]:
        """The events of a stream behind a version, in order."""
        ...

    def kept(self, stream: int) -> Kept:
        """All that is kept beside a stream."""
        ...


class Beginnings:
    """Looks at every stream that begins behind a position, up to another one.

    `looked_at`, `heads` and `vault` count the events, heads and vault rows of these streams: where those of all
    stretches are as many as there are, no event is left without a beginning, and nothing is kept without an event.
    """

    def __init__(self, book: BegunBook, findings: Findings, *, after: int, up_to: int) -> None:
        self._book, self._findings = book, findings
        self._check = StreamCheck(book, findings)
        self._begun = book.begun(after, up_to)
        self._lives: Lives = {}
        self._seen = 0
        self.looked_at = self.heads = self.vault = 0

    def see(self, page: list[LinkedRow]) -> None:
        """The next events of the stretch. Raises EnoughFound."""
        self._go_on(self._lives, page)
        self._seen += len(page)
        if self._seen >= EVENTS_AT_ONCE:
            self.look()

    def look(self) -> None:
        """Looks at the streams that began in what was seen, and forgets it. Raises EnoughFound."""
        sound: list[Growing] = []
        for (stream, life), beside in zip(self._lives.items(), self._begun, strict=False):
            if life is not None and self._is_sound(life, beside):
                sound.append(life[0])
            else:
                self._look_closely(stream)
        self._count(sound)
        self._lives, self._seen = {}, 0

    def _go_on(self, lives: Lives, rows: Iterable[LinkedRow]) -> None:
        """Takes messages further by their next events. What does not follow on the one before is looked at closely."""
        for row in rows:
            shard, _, stream, version, name, schema_version, at_us, _, _, body, _ = row
            newest, read = READERS.get(name, _NEWER)
            life = lives.get(stream)
            try:
                if version == 1:
                    self._begin(lives, row)
                elif life is None:
                    continue
                elif version != life[0].version + 1 or shard != life[1] or schema_version > newest:
                    lives[stream] = None
                else:
                    grow(life[0], read(body), at_us)
            except NONSENSE:
                lives[stream] = None

    def _begin(self, lives: Lives, row: LinkedRow) -> None:
        shard, _, stream, _, name, schema_version, at_us, tenant, cause, body, _ = row
        if stream in lives:
            self._findings.fault(Fault(what="it begins twice", stream=stream))
        lives[stream] = None
        newest, read = READERS[_ACCEPTED]
        if name == _ACCEPTED and schema_version <= newest:
            lives[stream] = begun(stream, at_us, tenant.decode(), read(body), cause=cause), shard

    def _is_sound(self, life: Life, beside: Beside) -> bool:
        message, shard = life
        fits, salt, private = beside[:_BEHIND]
        if not fits or (beside[_BEHIND] != message.version and not self._came_to_its_end(life)):
            return False
        if beside[_BEHIND:] != head_row_of(message, shard)[_FOLDED:]:
            return False
        if isinstance(private, bytes) and isinstance(salt, bytes):
            self.vault += 1
            return commitment_of(private, salt) == message.commitment
        # An erased message has no row any more.
        return private is salt is None

    def _came_to_its_end(self, life: Life) -> bool:
        message, _ = life
        lives: Lives = {message.id: life}
        try:
            self._go_on(lives, map(linked, self._book.rest(message.id, message.version)))
        except AttributeError:
            return False  # What stands there is no text any more.
        return lives[message.id] is not None

    def _look_closely(self, stream: int) -> None:
        kept = self._book.kept(stream)
        head, sealed, _ = kept
        self.heads += head is not None
        self.vault += sealed is not None
        events = self._book.rest(stream, 0)
        first = next(events, None)
        if first is None:
            self._findings.fault(Fault(what="its events are not where a stream is looked for", stream=stream))
        else:
            self.looked_at += self._check.look(stream, chain((first,), events), kept)

    def _count(self, sound: list[Growing]) -> None:
        findings = self._findings
        findings.streams += len(sound)
        findings.messages += len(sound)
        self.heads += len(sound)
        self.looked_at += sum([message.version for message in sound])
        for (*key, attempts), messages in Counter(map(_COUNTED, sound)).items():
            tenant, channel, lane, status = key
            add(findings.counts, (tenant, channel, lane, status), messages, attempts * messages)
        for message in sound:
            if message.in_flight:
                findings.out(
                    InFlight(
                        stream=message.id,
                        attempt=message.in_flight,
                        lane=message.lane,
                        started_us=message.started_us,
                    )
                )
