"""What every answer of the HTTP API is made with: who answers behind it, the bounds of the door, who may call what.

This file answers for the shapes that routes, handlers and documentation share. It must never hold state of a request.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping

import anyio
import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from actors.system import System
from adapters.hooks.sources import Source
from adapters.web.auth import Caller
from adapters.web.desks import Side
from adapters.web.hook_door import HookDoor
from core.ports import Secrets, Witness
from core.settings import Settings
from core.views import Role


class WebBounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything of the door that can grow, and how far."""

    body_bytes_max: int = 1 << 20
    """A request's body; in a batch, one line."""
    silence_s: float = 60.0
    """How long the rest of a body may be awaited; in a batch, how long nothing of it may come."""
    idle_s: float = 75.0
    """How long a connection stays without the whole head of a request, from its beginning or its last answer on.

    Proxies keep the lines behind them open for a minute (nginx and the load balancers of AWS by default): one that they
    may still use must not be closed under their hands.
    """
    batch_lines_max: int = 1_024
    """Lines of one batch that are being accepted at once, and as many more that wait for it."""
    batch_held_bytes_max: int = 8 << 20
    """Lines of one batch in memory."""
    batch_unread_bytes_max: int = 32 << 20
    """Answers of one batch that its client has not read yet; past it no more lines are read."""
    followers_max: int = 64
    """Followers of the event stream at once."""
    patience_s: float = 15.0
    """How long a client may leave unread what was written to it, where somebody has to wait for it."""
    heartbeat_s: float = 15.0
    """A follower hears something at least this often, so that proxies keep the line open."""
    hook_silence_s: float = 10.0
    """How long the rest of a hook's body may be awaited."""
    hook_within_s: float = 3.0
    """How long taking charge of a hook may last. Meta's own patience is said to be 3 to 10 s, that of others longer."""
    hook_bytes_max: int = 64 << 20
    """Bodies of hooks in memory."""
    hook_on_loop_bytes_max: int = 256 << 10
    """A hook's body that is hashed and taken apart at once: in a longer one this would hold up all others for too long,
    so that a thread does it."""
    forwards_max: int = 64
    """Calls that wait for the acting daemon's answer at once, where this one stands by."""


class Front:
    """What a handler is given: who answers, what that stands on, the bounds, the hooks' door, who follows the log."""

    __slots__ = (
        *("bounds", "clock", "desk", "failures", "followers", "forwards", "hooks", "log", "registry"),
        *("secrets", "send_at_max_us", "stand", "views", "witness", "_system"),
    )

    def __init__(
        self,
        side: Side,
        *,
        secrets: Secrets,
        witness: Witness,
        settings: Settings,
        bounds: WebBounds,
        registry: CollectorRegistry,
        sources: Iterable[Source],
    ) -> None:
        self.go_on(side)
        self.hooks = HookDoor(sources, secrets, bodies_bytes_max=bounds.hook_bytes_max, within_s=bounds.hook_within_s)
        self.secrets = secrets
        self.witness = witness
        self.send_at_max_us = settings.bounds.send_at_max_us
        self.bounds = bounds
        self.registry = registry
        self.followers: set[anyio.CancelScope] = set()
        self.failures = 0
        self.forwards = 0

    def go_on(self, side: Side) -> None:
        """Answers with this side from here on: a daemon that stood by has taken over."""
        self.desk, self.views, self.log, self.clock = side.desk, side.views, side.log, side.clock
        self.stand = side.stand
        self._system = side.system

    @property
    def system(self) -> System:
        """The system of the acting daemon: for calls that no other answers by itself."""
        assert self._system is not None, "a daemon that stands by hands this call on"
        return self._system


Handler = Callable[[Front, web.Request, Caller], Awaitable[web.StreamResponse]]

Shape = object
"""A type that msgspec can describe: what a body or an answer is decoded or encoded as."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the API. `role` None: no key is needed. `answers` maps each status to the shape of its body, None
    where there is none; `media` is what a body that is not JSON comes as. `anywhere`: every daemon answers it by
    itself, also one that stands by; any other call that one hands on to the one that acts.
    """

    call: str
    role: Role | None
    handler: Handler
    says: str
    body: Shape = None
    query: Shape = None
    answers: Mapping[int, Shape] = {}
    takes: str = "application/json"
    gives: str = "application/json"
    anywhere: bool = False

    @property
    def method(self) -> str:
        """GET, POST, PUT or DELETE."""
        return self.call.partition(" ")[0]

    @property
    def path(self) -> str:
        """The path, with its variables in braces."""
        return self.call.partition(" ")[2]
