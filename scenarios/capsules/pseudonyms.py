"""Who is who in a capsule: names that say nothing, and still tell one peer, host and tenant from another.

This file answers for equality being kept and everything else being lost. Numbers follow from a key that is drawn for
one capsule and thrown away: two capsules of one log cannot be joined by them.
"""

import hmac
from collections.abc import Iterable

from scenarios.capsules.stretch import Tale


class Pseudonyms:
    """The names in one capsule. `key` is secret and fresh."""

    def __init__(self, tales: Iterable[Tale], key: bytes) -> None:
        known = list(tales)
        self._tenants = _numbered({tale.tenant for tale in known}, key)
        self._peers = _numbered({str(tale.accepted.conversation) for tale in known}, key)
        self._hosts = _numbered({str(tale.accepted.host) for tale in known}, key)

    def tenant(self, tale: Tale) -> str:
        """Whose message it is."""
        return f"tenant{self._tenants[tale.tenant]}"

    def address(self, tale: Tale) -> str:
        """Where it goes: an address of its channel that nobody has (RFC 2606; no country has the code 999)."""
        peer = self._peers[str(tale.accepted.conversation)]
        match tale.accepted.channel:
            case "email":
                return f"peer{peer}@example.com"
            case "whatsapp":
                return f"+999{peer:08}"
            case "webhook":
                return f"https://host{self._hosts[str(tale.accepted.host)]}.example/peer{peer}"
            case _:
                return f"peer{peer}"


def _numbered(names: Iterable[str], key: bytes) -> dict[str, int]:
    """A number from 1 for each name, in an order that nobody can follow back without the key."""
    mixed = sorted(names, key=lambda name: hmac.digest(key, name.encode(), "sha256"))
    return {name: number for number, name in enumerate(mixed, start=1)}
