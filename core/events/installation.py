"""sys: the installation, its keys, its bulk redrives and its erasures."""

from typing import Literal

from core.events.shape import Event


class DaemonStarted(Event, frozen=True, kw_only=True):
    """A process took over the log. `seed` is the key of every chance it draws (jitter), so that replay draws alike.

    `key_check` tells the installation key that it was made with from any other, and nothing of the key.
    """

    boot: int
    seed: int
    release: str
    key_check: bytes = b""


class DaemonStopped(Event, frozen=True, kw_only=True):
    """The process ended in an orderly way; without this event the next start knows of a crash."""

    boot: int


class PolicySet(Event, frozen=True, kw_only=True):
    """What a policy that messages name says from now on, as JSON; version 0, never recorded, is the built-in one."""

    name: str
    version: int
    body: bytes


class KeyAdded(Event, frozen=True, kw_only=True):
    """An API key. `digest` is an HMAC of the secret; tenant None means all tenants."""

    digest: bytes
    tenant_of_key: str | None
    role: Literal["read", "send", "operate", "admin"]
    label: str


class KeyRevoked(Event, frozen=True, kw_only=True):
    """The key no longer opens anything."""


class RedriveStarted(Event, frozen=True, kw_only=True):
    """A bulk redrive: `count` dead letters seen at its start, `per_s` of them a second at most (None: no bound)."""

    channel: str | None
    lane: str | None
    conversation: int | None
    before_us: int
    count: int
    per_s: float | None


class RedriveAdvanced(Event, frozen=True, kw_only=True):
    """So far `moved` messages went back on the agenda; `after` is the last one looked at."""

    moved: int
    after: int


class RedriveEnded(Event, frozen=True, kw_only=True):
    """Through, or cancelled by a person, after `moved` messages."""

    moved: int
    reason: Literal["done", "cancelled"]


class ErasureStarted(Event, frozen=True, kw_only=True):
    """Somebody is to be forgotten: what is kept of one address goes. The vault holds which, under `commitment`.

    `conversation` is the one with them, 0 where nobody ever wrote there.
    """

    channel: str
    conversation: int
    commitment: bytes


class ErasureAdvanced(Event, frozen=True, kw_only=True):
    """So far the private parts of `messages` went, `cancelled` of those were open, and so many plans changed."""

    messages: int
    cancelled: int
    plans: int = 0


class SubjectErased(Event, frozen=True, kw_only=True):
    """Nothing private is kept of them any more, nor does their address lead anywhere: what went with it."""

    messages: int
    cancelled: int
    devices: int = 0
    plans: int = 0
