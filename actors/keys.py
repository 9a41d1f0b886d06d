"""API keys: who may ask for what. Events in `sys` streams; the secret itself is never kept.

A key's stream is written by this actor alone. `holder` is asked at every request, so it is a look-up in memory.
"""

from typing import Final, Literal

from core import events as e
from core.errors import NotFound, StreamConflict
from core.ids import Mint, shard_of
from core.ports import Clock, Log, Secrets
from core.records import NO_TENANT, Append, Draft, Head, HeadChange, Recorded
from core.views import KeyState

Role = Literal["read", "send", "operate", "admin"]

_SECRET_BYTES: Final = 24
_LATELY_MAX: Final = 10_000


class Keys:
    """All keys of the installation, in memory and in the log."""

    def __init__(self, *, log: Log, clock: Clock, secrets: Secrets, mint: Mint) -> None:
        self._log = log
        self._clock = clock
        self._secrets = secrets
        self._mint = mint
        self._keys: dict[int, KeyState] = {}
        self._by_digest: dict[bytes, int] = {}
        # Secrets that were asked about lately: every request asks, and a keyed hash costs more than a look-up.
        self._lately: dict[str, KeyState] = {}

    def replay(self, recorded: list[Recorded]) -> None:
        """Folds one key's stream."""
        for entry in recorded:
            self._fold(entry.stream, entry.event, entry.at_us)

    def forget(self, key: int) -> None:
        """The key opens nothing here from here on, whatever the log says of it."""
        self._lately.clear()
        self._keys.pop(key, None)
        self._by_digest = {digest: known for digest, known in self._by_digest.items() if known != key}

    async def add(self, *, tenant: str | None, role: Role, label: str) -> tuple[KeyState, str]:
        """A new key and its secret, which is shown this once. `tenant` None: it acts for all tenants."""
        secret = f"tk_{self._secrets.fresh(_SECRET_BYTES).hex()}"
        now_us = self._clock.now_us()
        stream = self._mint.next(now_us)
        event = e.KeyAdded(digest=self._digest(secret), tenant_of_key=tenant, role=role, label=label)
        await self._record(stream, 1, event, status="active", was=None)
        return self._keys[stream], secret

    async def revoke(self, key: int) -> None:
        """The key opens nothing from here on; revoking it twice changes nothing."""
        known = self._keys.get(key)
        if known is None:
            raise NotFound("there is no such key")
        if known.revoked:
            return
        try:
            await self._record(key, 2, e.KeyRevoked(), status="revoked", was="active")
        except StreamConflict:
            # An earlier call was durable though nobody could tell, or another one was faster: it is revoked.
            self.replay(await self._log.events_of(key, after_version=1))

    def all(self) -> list[KeyState]:
        """Every key, oldest first."""
        return [self._keys[key] for key in sorted(self._keys)]

    def holder(self, secret: str) -> KeyState | None:
        """Whose secret this is; None for an unknown or revoked one."""
        known = self._lately.get(secret)
        if known is None:
            key = self._by_digest.get(self._digest(secret))
            if key is None:
                return None
            if len(self._lately) >= _LATELY_MAX:
                self._lately.clear()
            known = self._lately[secret] = self._keys[key]
        return known

    def _digest(self, secret: str) -> bytes:
        return self._secrets.keyed_hash("api_key", secret)

    async def _record(self, stream: int, version: int, event: e.Event, *, status: str, was: str | None) -> None:
        at_us = self._clock.now_us()
        shard = shard_of(NO_TENANT, stream)
        head = Head(
            stream=stream, kind="sys", shard=shard, tenant=NO_TENANT, version=version, status=status, changed_us=at_us
        )
        await self._log.append(
            Append(
                shard=shard,
                tenant=NO_TENANT,
                at_us=at_us,
                drafts=(Draft(stream=stream, version=version, event=event),),
                heads=(HeadChange(head=head, was=was),),
            )
        )
        self._fold(stream, event, at_us)

    def _fold(self, stream: int, event: e.Event, at_us: int) -> None:
        self._lately.clear()
        if isinstance(event, e.KeyAdded):
            self._keys[stream] = KeyState(
                id=stream,
                tenant=event.tenant_of_key,
                role=event.role,
                label=event.label,
                added_us=at_us,
                revoked=False,
            )
            self._by_digest[event.digest] = stream
        elif isinstance(event, e.KeyRevoked):
            known = self._keys[stream]
            self._keys[stream] = KeyState(
                id=stream,
                tenant=known.tenant,
                role=known.role,
                label=known.label,
                added_us=known.added_us,
                revoked=True,
            )
            self._by_digest = {digest: key for digest, key in self._by_digest.items() if key != stream}
