"""What a daemon needs from around it before it can start: a log, its key, a port, time zones, channels.

This file answers for each of them being there, or for one clear line that says what is missing and what to do. It must
never send anything, nor wire one part to another (daemon.py does).
"""

import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final, NoReturn, Protocol

import anyio

from actors.system import System
from adapters.chance import KeyedChance, SystemSecrets, fresh_identity
from adapters.channels.accounts import ProviderSettings, SandboxSettings
from adapters.channels.building import build
from adapters.channels.push_devices import PushDevices
from adapters.config.loading import Config
from adapters.config.units import Listen
from adapters.installation import check_key, has_key, installation_key, key_in, key_path_of
from adapters.reloading import Build
from adapters.telemetry import Telemetry
from adapters.zones import zone_named
from core.errors import TidingsError
from core.ids import INSTALLATION
from core.ports import Channel, Clock, Door, Log, Witness
from core.settings import Lane
from eventstore.sqlite.log import SqliteLog

CONNECTIONS_WAITING_MAX: Final = 1_024
# Who is alone on a database acts within a moment; whoever does not stands by.
_SETTLED_WITHIN_S: Final = 2.0
# How long a daemon without a key waits to begin a log, before it takes another one for having done so.
_BEGUN_WITHIN_S: Final = 20.0


class CannotStart(TidingsError):
    """The daemon cannot start: what, where, and what to do."""


class Node(Protocol):
    """This process among the daemons that share a log: it stands by until it acts."""

    @property
    def slot(self) -> int:
        """Its own among those of the daemons that live."""
        ...

    @property
    def door(self) -> Door:
        """What it may do to the log while it stands by."""
        ...

    @property
    def log_for_reading(self) -> Log:
        """The log while it stands by."""
        ...

    @property
    def is_acting(self) -> bool:
        """Whether it acts, as far as it knows."""
        ...

    def acted(self) -> Awaitable[Log]:
        """The log as the acting daemon has it, once this is the one. Raises StoreRefused where it never will be."""
        ...

    def lost(self) -> Coroutine[None, None, NoReturn]:
        """Raises StoreRefused once this process counts as dead; waits until then."""
        ...

    def newest(self) -> tuple[int, int]:
        """(largest id, latest instant) of the log."""
        ...

    def close(self) -> Awaitable[None]:
        """Lets go of everything; another may act at once."""
        ...


async def opened(config: Config, witness: Witness) -> tuple[bytes, SqliteLog | Node]:
    """The installation key, and the log: a file's, which is this process' alone, or its place among several on one.

    Makes the directories that they need. Raises CannotStart or StoreRefused.
    """
    place, configured = config.store, config.installation_key
    given = None if configured is None else configured.reveal()
    if isinstance(place, Path):
        with _writable(config.data):
            # The sandbox's mails and the keys lie below, so a directory that is made here is its owner's alone.
            config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = installation_key(place, given)
        return key, await SqliteLog.open(place)
    # A daemon on a file needs neither the driver nor the memory that it takes.
    from eventstore.postgres.opening import open_node  # noqa: PLC0415

    node = await open_node(place.url.reveal(), identity=fresh_identity(), witness=witness)
    try:
        with _writable(config.data):
            config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = await _key_of(node, key_path_of(place.database, config.data), given, str(place))
    except TidingsError:
        await node.close()
        raise
    return key, node


async def _key_of(node: Node, path: Path, given: str | None, store: str) -> bytes:
    """The key of a log that daemons share, with this one acting where nobody else does. Raises StoreRefused.

    Whoever has another key, or none, takes nothing over. Only the daemon that begins a log makes one.
    """
    if node.newest() == (0, 0) and not has_key(path, given):
        with anyio.move_on_after(_BEGUN_WITHIN_S):
            await node.acted()
        return key_in(path, None, store=store, is_used=not node.is_acting)
    key = key_in(path, given, store=store, is_used=True)
    check_key(SystemSecrets(key), await node.log_for_reading.events_of(INSTALLATION), store=store)
    with anyio.move_on_after(_SETTLED_WITHIN_S):
        await node.acted()
    return key


@contextmanager
def _writable(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotStart(
            f"The data directory {data} cannot be used: {error}. Make it writable, or name another with --data."
        ) from None


@contextmanager
def bound(listen: Listen) -> Iterator[socket.socket]:
    """A socket that listens, taken before anything is sent: a daemon that nobody can reach must not work."""
    try:
        family, _, _, _, place = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)[0]
        door = socket.create_server(place[:2], family=family, backlog=CONNECTIONS_WAITING_MAX)
    except OSError as error:
        raise CannotStart(
            f"Cannot listen on {listen}: {error.strerror or error}. Stop what listens there, or choose another address"
            " with --listen or [server] listen."
        ) from None
    with door:
        yield door


def builder(system: System, clock: Clock, secrets: SystemSecrets, release: str) -> Build:
    """Makes lanes' channels; one that cannot be made raises CannotStart. Those for pushes ask `system` for devices."""
    # What a sandbox draws belongs to no message's history, so it has a seed of its own, the same over restarts.
    chance = KeyedChance(int.from_bytes(secrets.keyed_hash("sandbox")[:8], "big"))

    def built(lane: Lane, settings: ProviderSettings) -> Channel:
        made = _made(lane, settings, clock=clock, chance=chance, release=release)
        if lane.channel != "push":
            return made
        takes_users = isinstance(settings, SandboxSettings)
        return PushDevices(made, devices=system.devices, pushes=system.pushes, takes_users=takes_users)

    return built


async def check_lanes(config: Config, clock: Clock, release: str) -> None:
    """Raises CannotStart where a lane's channel cannot be made, before a daemon that stands by has to take over."""
    for lane in config.settings.lanes:
        settings = config.providers[lane.name]
        await _made(lane, settings, clock=clock, chance=KeyedChance(0), release=release).close()


def _made(lane: Lane, settings: ProviderSettings, *, clock: Clock, chance: KeyedChance, release: str) -> Channel:
    try:
        return build(settings, lane=lane.name, channel=lane.channel, clock=clock, chance=chance, release=release)
    except (OSError, ValueError) as error:
        # A file of certificates that cannot be read, or holds none.
        raise CannotStart(f"Lane {lane.name} cannot be set up: {error}.") from None


def zone_finder(telemetry: Telemetry) -> Callable[[str], tzinfo]:
    """Finds time zones by name. One that the database does not know is UTC, so that the message still goes out."""

    def zone_of(name: str) -> tzinfo:
        zone = zone_named(name)
        if zone is None:
            telemetry.note("zone_unknown", zone=name)
            return UTC
        return zone

    return zone_of
