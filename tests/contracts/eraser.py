"""Answers for calls to a log as an erasure makes them, one behind the other.

It must never look into a log; what it knows is what it wrote.
"""

from typing import Final, Literal

from core import events as e
from core.erasures import Erasure, Forgotten, begun, evolve, head_of, seal_forgotten
from core.ids import shard_of
from core.ports import Log
from core.records import AddressChange, Append, Draft, HeadChange, Sealed
from tests.contracts.scribe import Scribe, digest

ANN: Final = "ann@example.com"


class Eraser:
    """Writes the calls of one erasure."""

    def __init__(self, scribe: Scribe, conversation: int) -> None:
        self._scribe = scribe
        self.conversation = conversation
        self.stream = scribe.mint.next(scribe.tick())
        salt = digest("salt", self.stream)
        body, self._commitment = seal_forgotten(Forgotten(channel="email", address=ANN), salt)
        self._sealed = Sealed(
            stream=self.stream, tenant="org1", subject=digest("subject", ANN), salt=salt, private=body
        )
        self._erasure: Erasure | None = None

    def start(self) -> Append:
        """The intent."""
        event = e.ErasureStarted(channel="email", conversation=self.conversation, commitment=self._commitment)
        return self._call(event, sealed=(self._sealed,))

    def erase(self, *streams: int) -> Append:
        """These rows go."""
        return self._call(e.ErasureAdvanced(messages=len(streams), cancelled=0), erased=streams)

    def close(self) -> Append:
        """Nobody writes there any more."""
        return self._call(e.ErasureAdvanced(messages=0, cancelled=0), addresses=(self._change("closed"),))

    def end(self) -> Append:
        """Nothing leads there any more."""
        event = e.SubjectErased(messages=0, cancelled=0)
        return self._call(event, erased=(self.stream,), addresses=(self._change("gone"),))

    def _change(self, becomes: Literal["closed", "gone"]) -> AddressChange:
        subject = digest("subject", ANN)
        return AddressChange(channel="email", subject=subject, conversation=self.conversation, becomes=becomes)

    def _call(
        self,
        event: e.Event,
        *,
        sealed: tuple[Sealed, ...] = (),
        erased: tuple[int, ...] = (),
        addresses: tuple[AddressChange, ...] = (),
    ) -> Append:
        at_us, before = self._scribe.tick(), self._erasure
        after = begun(self.stream, "org1", event, at_us) if before is None else evolve(before, event, at_us)
        self._erasure = after
        shard = shard_of("org1", self.stream)
        was = None if before is None else before.state.status
        return Append(
            shard=shard,
            tenant="org1",
            at_us=at_us,
            drafts=(Draft(stream=self.stream, version=after.version, event=event),),
            heads=(HeadChange(head=head_of(after, shard), was=was),),
            sealed=sealed,
            erased=erased,
            addresses=addresses,
        )


async def way_to(log: Log) -> int | None:
    """Where the address leads."""
    return await log.conversation_at("org1", "email", digest("subject", ANN))
