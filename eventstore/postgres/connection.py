"""Connections to PostgreSQL: how they are set up, and what its errors mean to the house.

This file answers for the driver being known here alone, and for no word of ours carrying a password. It must never
hold a statement of the log.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, cast
from urllib.parse import parse_qs, unquote

import asyncpg  # type: ignore[import-untyped]  # It brings no types.

from core.errors import StoreRefused, StoreUnavailable
from eventstore.postgres.urls import for_driver, host_and_port, hosts_of, parted

SCHEMA: Final = "tidings"
# How long a server may take to let us in, and to answer a question; a commit is given a little longer than the server
# itself gives it, so that a server that answers says what it undid.
CONNECT_S: Final = 5.0
STATEMENT_S: Final = 10.0
COMMAND_S: Final = 12.0
FAREWELL_S: Final = 1.0
# Bytes of a statement's text and number of statements that a connection keeps prepared.
_STATEMENT_BYTES: Final = 64 * 1024
_STATEMENTS_KEPT: Final = 256

Row = Sequence[Any]


class Connection(Protocol):
    """What the rest of this room asks of the driver's connection."""

    async def fetch(self, statement: str, *values: object) -> list[Row]:
        """All rows."""
        ...

    async def fetchrow(self, statement: str, *values: object) -> Row | None:
        """The first row."""
        ...

    async def fetchval(self, statement: str, *values: object) -> Any:  # noqa: ANN401  # As the column is.
        """The first column of the first row."""
        ...

    async def execute(self, statement: str, *values: object) -> str:
        """What the server calls that which it did, such as `UPDATE 3`."""
        ...

    def cursor(self, statement: str, *values: object, prefetch: int) -> AsyncIterator[Row]:
        """The rows as they are asked for, within a transaction."""
        ...

    def transaction(
        self, *, isolation: str = "read_committed", readonly: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """One transaction around what happens within."""
        ...

    async def add_listener(self, channel: str, heard: Callable[[object, int, str, object], None]) -> None:
        """Calls with (connection, process, channel, word) for what is said in a channel, as long as it lasts."""
        ...

    def is_closed(self) -> bool:
        """Whether it is known to lead nowhere."""
        ...

    async def close(self) -> None:
        """Says goodbye."""
        ...

    def terminate(self) -> None:
        """Lets go without a word to the server."""
        ...


class Cursor(Protocol):
    """A walk over rows."""

    async def fetch(self, count: int) -> list[Row]:
        """So many further rows, fewer at the end."""
        ...


class Pool(Protocol):
    """Connections for questions."""

    def acquire(self, *, timeout: float, plans_anew: bool = False) -> AbstractAsyncContextManager[Connection]:
        """A connection for a while, which plans a statement once for all values, or each time by those it is given."""
        ...

    async def close(self) -> None:
        """Waits until all came back, and closes them."""
        ...

    def terminate(self) -> None:
        """Closes them at once."""
        ...


# A lost connection, or one that was never there: whether the last statement was carried out is not known.
LOST: Final[tuple[type[Exception], ...]] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
)
# What the server says of a statement that it undid.
FAILED: Final[tuple[type[Exception], ...]] = (asyncpg.PostgresError,)
# Either of them.
TROUBLE: Final = (*LOST, *FAILED)
# Undone for the sake of another transaction: the same statement may pass the next time.
CROSSED: Final[tuple[type[Exception], ...]] = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    # Rows on their way to the default just as their month was made: next time they go there. We have no other CHECK.
    asyncpg.CheckViolationError,
)
# What a server says that has too much to do, or where somebody holds what was asked for: it may pass soon.
BUSY: Final[tuple[type[Exception], ...]] = (*CROSSED, asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)
# Ours made at the same moment by somebody else.
MADE_TWICE: Final[tuple[type[Exception], ...]] = (
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateTableError,
    asyncpg.DuplicateSchemaError,
)
# Names, numbers and bytes that contradict the store, or that it cannot hold.
_CONTRADICTED: Final = "TD001"
_OFFENCES: Final = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.CardinalityViolationError,
)


def is_offence(error: Exception) -> bool:
    """Whether a call got something wrong by itself, so that the rest of its batch may be written without it."""
    return isinstance(error, _OFFENCES) or getattr(error, "sqlstate", None) == _CONTRADICTED


def is_misfit(error: Exception) -> bool:
    """Whether it is a number or a text that no column can hold."""
    return isinstance(error, asyncpg.DataError)


def broken_rule(error: Exception) -> str:
    """The constraint that an error is about, or the column that may not be empty; empty for another error."""
    column = getattr(error, "column_name", None)
    return getattr(error, "constraint_name", None) or (f"{getattr(error, 'table_name', '')}.{column}" if column else "")


_COMMON: Final = {
    "application_name": "tidings",
    "search_path": SCHEMA,
    # Whoever administers the server may have set others for everybody.
    "default_transaction_isolation": "read committed",
    "statement_timeout": f"{STATEMENT_S:.0f}s",
    "lock_timeout": f"{STATEMENT_S:.0f}s",
    "idle_in_transaction_session_timeout": "30s",
    # A peer that is gone without a word is noticed within half a minute, and its locks go with it.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    # Our statements are short, and would take longer to compile than to run.
    "jit": "off",
    # Each question has its index. A plan that was made while a table was small must not walk it once it is large.
    "enable_seqscan": "off",
}
# A batch goes to its rows by their keys, whatever the planner may think of their number.
_WRITING: Final = {
    "application_name": "tidings writer",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}


# With a partition for each month it takes longer to plan a question of one key than to answer it.
_STEADY: Final = {"plan_cache_mode": "force_generic_plan"}
# What an administrator may have turned off for everybody would make our answers untrue: a commit is on the disk. Where
# more is asked for (that a standby has it too), it stays so.
_DURABLE: Final = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"""
# What looks at a whole log takes as long as it takes.
_PATIENT: Final = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}


async def connect(url: str, *, for_writing: bool = False, is_patient: bool = False) -> Connection:
    """One connection. Raises what the driver raises: one of TROUBLE, or ValueError for a bad URL."""
    settings = _COMMON | (_WRITING if for_writing else {}) | (_PATIENT if is_patient else {})
    dsn, apart = for_driver(url)
    options = {**_options(url), **apart, "command_timeout": None if is_patient else COMMAND_S}
    connection = cast("Connection", await driver().connect(dsn, server_settings=settings, **options))
    if for_writing:
        await connection.execute(_DURABLE)
    return connection


def driver() -> Any:  # noqa: ANN401  # A module, which has no type of its own.
    """What makes connections: a simulated loop, which can reach no server by itself, brings its own."""
    return getattr(asyncio.get_running_loop(), "driver", asyncpg)


async def farewell(connection: Connection) -> None:
    """Lets go, with a word to the server where it listens."""
    try:
        async with asyncio.timeout(FAREWELL_S):
            await connection.close()
    except TROUBLE:
        connection.terminate()


async def cursor_over(connection: Connection, statement: str, *values: object) -> Cursor:
    """A walk over the rows of a statement, within a transaction."""
    return cast("Cursor", await cast("Any", connection).cursor(statement, *values))


class _Pools:
    """The driver's own, one for each way of planning."""

    def __init__(self, steady: Pool, anew: Pool) -> None:
        self._steady = steady
        self._anew = anew

    def acquire(self, *, timeout: float, plans_anew: bool = False) -> AbstractAsyncContextManager[Connection]:
        return (self._anew if plans_anew else self._steady).acquire(timeout=timeout)

    async def close(self) -> None:
        await self._steady.close()
        await self._anew.close()

    def terminate(self) -> None:
        self._steady.terminate()
        self._anew.terminate()


async def create_pool(url: str, *, most: int, most_anew: int) -> Pool:
    """Connections for questions, made as they are needed. Raises as `connect` does."""
    return _Pools(await _pool(url, most, _COMMON | _STEADY), await _pool(url, most_anew, _COMMON))


async def _pool(url: str, most: int, settings: Mapping[str, str]) -> Pool:
    dsn, apart = for_driver(url)
    options = {**_options(url), **apart}
    pool = driver().create_pool(
        dsn, min_size=0, max_size=most, reset=_left_as_it_is, server_settings=settings, **options
    )
    return cast("Pool", await pool)


async def _left_as_it_is(_: object) -> None:
    """Questions leave nothing behind in a connection, so no round trip is spent on wiping it."""


def _options(url: str) -> Mapping[str, Any]:
    hosts = len(hosts_of(url))
    # Of several servers the one that takes writes, unless the URL says otherwise. A single one is taken as it is, and
    # says by itself that it is a standby.
    asked = {"target_session_attrs": "primary"} if hosts > 1 and "target_session_attrs" not in url else {}
    return {
        **asked,
        # For each of them, so that one that is gone leaves time for the next.
        "timeout": CONNECT_S / hosts,
        "command_timeout": COMMAND_S,
        "statement_cache_size": _STATEMENTS_KEPT,
        "max_cacheable_statement_size": _STATEMENT_BYTES,
        "max_cached_statement_lifetime": 0,
    }


def place_of(url: str) -> str:
    """The database as a person knows it, without user and password."""
    try:
        authority, parts = parted(url)
        query = parse_qs(parts.query)
        hosts = hosts_of(url)
        if len(hosts) > 1 or not authority.rpartition("@")[2]:
            host = " or ".join(hosts) or "localhost"
        else:
            name, port = host_and_port(hosts[0])
            host = f"{name}:{port}" if ":" in hosts[0].rpartition("]")[2] else name
    except ValueError:
        return "the database"
    name = unquote(parts.path.lstrip("/")) or query.get("dbname", query.get("database", [""]))[0] or "(default)"
    return f"the PostgreSQL database {name} on {host}"


def words_of(error: Exception) -> str:
    """One line of what went wrong."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if is_misfit(error):
        # The driver shows what it was given, and that may be an address or a content.
        return "a number or a text that PostgreSQL cannot hold"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def refused(url: str, error: Exception) -> StoreRefused:
    """What an error at the start means, so that a person knows what to do."""
    place, words = place_of(url), words_of(error)
    match error:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return StoreRefused(f"{place} does not let us in: {words}; correct user and password of the store's URL")
        case asyncpg.InvalidCatalogNameError():
            return StoreRefused(f"{place} does not exist: create it (CREATE DATABASE), or correct the store's URL")
        case asyncpg.TooManyConnectionsError():
            return StoreRefused(f"{place} has too few connections: {words}; raise max_connections, or the role's limit")
        case asyncpg.InsufficientPrivilegeError():
            return StoreRefused(f"{place} does not let this user do what is needed: {words}")
        case asyncpg.ReadOnlySQLTransactionError():
            return StoreRefused(f"{place} is read-only ({words}): give the store's URL of the primary")
        case asyncpg.TargetServerAttributeNotMatched():
            return StoreRefused(f"{place} has no server that takes writes: is one of them about to become the primary?")
        case asyncpg.ClientConfigurationError() | ValueError():
            return StoreRefused(f"the store's URL cannot be understood: {type(error).__name__}")
        case asyncpg.CannotConnectNowError():
            return StoreRefused(f"{place} takes no connections now: {words}; wait until it has started")
        case TimeoutError():
            return StoreRefused(f"{place} did not answer within {CONNECT_S:.0f} s: is it reachable, and does it hang?")
        case OSError() | asyncpg.PostgresConnectionError():
            return StoreRefused(f"{place} cannot be reached: {words}; is the server running?")
        case _:
            return StoreRefused(f"{place} cannot be opened: {words}")


def unreadable(error: Exception) -> StoreUnavailable:
    """What an error of a question means."""
    return StoreUnavailable(f"the log cannot be read now: {words_of(error)}")
