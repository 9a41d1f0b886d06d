"""What is left of a run when it is over: the log, the world's books, and what the file says should govern both.

This file answers for everything that laws may look at. Nothing here belongs to a running daemon.
"""

from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from typing import TypeVar, cast

import msgspec

from core.policies import Policy
from core.ports import Secrets
from core.records import Recorded
from eventstore.durable import Durable
from scenarios.file.scenario import Scenario
from scenarios.laws.chronicle import Chronicle, Story
from scenarios.laws.finding import Finding
from scenarios.world.books import Books, Handed
from scenarios.world.choosing import Subject
from scenarios.world.explaining import Foretold
from scenarios.world.ground import Life, Memory
from scenarios.world.wishing import Wish

T = TypeVar("T")


class Evidence(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One finished run. `events` are all of the log in the order of arrival; `bodies` what clients posted, by key.

    `keyed` are those with an idempotency key, `forged` hooks that somebody else signed; `keys` says what each message
    is called, `wishes` are what applications asked for, `secrets` has the installation key. `findings` were made on
    the way: after each crash the log was checked as it lay. `boundaries` were crossed. `twin` is the digest of a second
    run of the same scenario and seed, where there was one. `stuck` says why the run got nowhere, empty where it ended.
    `crossed_us` are the instants of the boundaries, in true time.
    `foretold` is what the daemon said of its open messages on the way.
    """

    scenario: Scenario
    seed: int
    crash_at: tuple[int, ...]
    events: list[Recorded]
    durable: Durable
    books: Books
    subjects: dict[str, Subject]
    bodies: dict[str, bytes]
    keyed: frozenset[str]
    keys: dict[int, str]
    lives: tuple[Life, ...]
    memories: tuple[Memory, ...]
    findings: tuple[Finding, ...]
    unfinished: tuple[tuple[str, int], ...]
    forged: frozenset[str]
    wishes: tuple[Wish, ...]
    secrets: Secrets
    boundaries: int
    stuck: str
    twin: bytes | None = None
    crossed_us: tuple[int, ...] = ()
    foretold: tuple[Foretold, ...] = ()

    @cached_property
    def chronicle(self) -> Chronicle:
        """The log, sorted by what it is about."""
        return Chronicle(self.events, self.keys)

    @cached_property
    def digest(self) -> bytes:
        """What two logs share only where they are the same, byte for byte: each link covers all that an event is."""
        return sha256(b"".join(row[-1] for row in self.durable.rows)).digest()

    @cached_property
    def deliveries(self) -> list[Handed]:
        """What reached whom it was for, in the order of arrival."""
        return self.books.deliveries()

    def once(self, work: Callable[["Evidence"], T]) -> T:
        """What several laws need of a run, worked out once."""
        kept = self.__dict__
        if work.__name__ not in kept:
            kept[work.__name__] = work(self)
        return cast("T", kept[work.__name__])

    def policy_of(self, story: Story, lane: str) -> Policy:
        """The policy that decides about a message in a lane."""
        named = story.accepted.policy
        return self._policies[lane] if named is None else self.scenario.settings.policies[named]

    @cached_property
    def _policies(self) -> dict[str, Policy]:
        """Those of the lanes: laws ask for one at each event."""
        return {lane.name: lane.policy for lane in self.scenario.settings.lanes}

    def has_key(self, key: str) -> bool:
        """Whether the client of a message gave an idempotency key."""
        return key in self.keyed

    @property
    def has_ended(self) -> bool:
        """Whether the run came to an orderly end: only then must nothing be under way any more."""
        return not self.stuck and bool(self.lives) and self.lives[-1].ended_by == "end"
