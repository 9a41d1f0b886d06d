"""The URL of a database, taken apart where the standard library gives up: it may name several hosts.

This file answers for such a list being read alike by every Python. Since a list of hosts is no host, patched releases
refuse one that has an IPv6 address in it (python/cpython#105704). It must never show a password.
"""

from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_PORT: Final = 5432


def parted(url: str) -> tuple[str, SplitResult]:
    """What stands between `//` and the path, and the rest of the URL. Raises ValueError for a bad one."""
    authority, rest = _cut(url)
    return authority, urlsplit(rest)


def hosts_of(url: str) -> list[str]:
    """The servers that a URL names: several where one of them is the primary. Raises ValueError for a bad URL."""
    authority, rest = parted(url)
    return (authority.rpartition("@")[2] or parse_qs(rest.query).get("host", [""])[0]).split(",")


def host_and_port(text: str) -> tuple[str, int]:
    """One of those hosts, and its port. Raises ValueError for one that is none."""
    parts = urlsplit(f"//{text}")
    return unquote(parts.hostname or ""), parts.port or _PORT


def with_database(url: str, name: str) -> str:
    """The same with another database. Raises ValueError for a bad URL."""
    authority, rest = parted(url)
    return f"{rest.scheme}://{authority}/{name}{f'?{rest.query}' if rest.query else ''}"


def for_driver(url: str) -> tuple[str, dict[str, Any]]:
    """The URL for the driver, which splits it as the standard library does, and what it has to be told apart."""
    authority, rest = _cut(url)
    user, _, hosts = authority.rpartition("@")
    if "[" not in hosts or "," not in hosts:
        return url, {}
    found = [host_and_port(host) for host in hosts.split(",")]
    name, _, password = user.partition(":")
    known = {"user": unquote(name), "password": unquote(password)}
    told = {key: value for key, value in known.items() if value}
    return rest, {**told, "host": [host for host, _ in found], "port": [port for _, port in found]}


def _cut(url: str) -> tuple[str, str]:
    scheme, mark, rest = url.partition("://")
    ends = [at for at in map(rest.find, "/?#") if at >= 0]
    end = min(ends, default=len(rest))
    return rest[:end], f"{scheme}{mark}{rest[end:]}"
