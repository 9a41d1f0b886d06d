"""Where the log lies, from a URL or a path: a file, or a database of a PostgreSQL server.

This file answers for one reading of `sqlite:///...` (what follows the third slash is the path, so an absolute one has
four, as in SQLAlchemy and its kin) and of `postgresql://...`. It must never open anything, nor show a password.
"""

from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec

from adapters.channels.networks import is_loopback
from adapters.config.hidden import Secret
from eventstore.postgres.urls import host_and_port, parted

DEFAULT_NAME: Final = "tidings.db"
_SCHEME: Final = "sqlite:///"
EXPECTED: Final = (
    '"sqlite:///tidings.db" (below the data directory), "sqlite:////srv/tidings.db" (absolute) or'
    ' "postgresql://user:password@host:5432/database" (what is no letter or digit in a password as %XX)'
)
_SERVER_SCHEMES: Final = frozenset({"postgresql", "postgres"})
_PORT: Final = 5432
# What a connection needs to be found and encrypted. Whatever else a URL might set would change how the log behaves.
_OPTIONS: Final = frozenset({
    "host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "target_session_attrs",
})  # fmt: skip  # One line as long as it fits.
_ENCRYPTED: Final = frozenset({"require", "verify-ca", "verify-full"})


class PostgresUrl(msgspec.Struct, frozen=True, kw_only=True):
    """A database of a PostgreSQL server. As a text it is the URL without its password and options.

    `hosts` are the places where the server may be, each with its port: the first that answers as the URL asks is it.
    """

    url: Secret
    user: str
    hosts: tuple[tuple[str, int], ...]
    database: str
    is_encrypted: bool

    def __str__(self) -> str:
        """For a person, and without a secret."""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"postgresql://{f'{self.user}@' if self.user else ''}{hosts}/{self.database}"


Place = Path | PostgresUrl


def place_of(url: str, data: Path) -> Place | None:
    """What a store URL names, None where it is none. Relative paths lie below `data`."""
    return path_of(url, data) if url.startswith(_SCHEME) else _server(url)


def path_of(url: str, data: Path) -> Path | None:
    """The file that a store URL names, None where it is no URL of an embedded log. Relative paths lie below `data`."""
    name = url.removeprefix(_SCHEME)
    if name == url or not name or name.endswith("/") or name == ":memory:" or set(name) & {"?", "#", "\0"}:
        return None
    return data / name


def exposure(place: Place) -> str | None:
    """A warning where the log's content may cross a network in the clear, None where all is well."""
    if isinstance(place, Path) or place.is_encrypted:
        return None
    beyond = [host for host, _ in place.hosts if not host.startswith("/") and not is_loopback(host)]
    if not beyond:
        return None
    return (
        f"Messages and the password may go to the database on {', '.join(beyond)} unencrypted: add ?sslmode=verify-full"
        " to [store] url."
    )


def _server(url: str) -> PostgresUrl | None:
    try:
        authority, parts = parted(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        user, _, named = authority.rpartition("@")
        hosts = _hosts(named or options.get("host", ""))
    except ValueError:
        return None
    database = unquote(parts.path.removeprefix("/"))
    # A character of a password that should have been written as %XX ends the part that it stands in too early.
    is_torn = authority.count("@") > 1 or set(database) & {"/", "@"} or bool(parts.fragment) or "\0" in url
    if parts.scheme not in _SERVER_SCHEMES or is_torn or not hosts or not database or not set(options) <= _OPTIONS:
        return None
    return PostgresUrl(
        url=Secret(url),
        user=unquote(user.partition(":")[0]),
        hosts=hosts,
        database=database,
        is_encrypted=options.get("sslmode") in _ENCRYPTED,
    )


def _hosts(text: str) -> tuple[tuple[str, int], ...]:
    """The hosts in a list with commas between, each with its port; none where one of them is missing."""
    if text.startswith("/"):
        return ((text, _PORT),)
    found = tuple(host_and_port(one) for one in text.split(","))
    return found if all(host for host, _ in found) else ()
