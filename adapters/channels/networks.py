"""Which addresses a webhook may reach: public ones, and those that the lane allows by name of their network.

This file answers for one address at a time, as it is about to be connected to; names are resolved before, so that no
answer of a name server can slip past (server-side request forgery, DNS rebinding). It must never resolve a name.
"""

import socket
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The IANA special-purpose registries (RFC 6890 and its updates), written out: what the standard library calls global
# differs between Python releases, and it does not know where clouds keep their metadata.
_NOT_PUBLIC: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598); some clouds keep metadata at 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's platform service, public by number only
        "169.254.0.0/16",  # link-local; metadata of most clouds at 169.254.169.254
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; metadata of one cloud at 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, retired
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/96",  # unspecified, loopback, and IPv4 in its oldest IPv6 clothes
        "64:ff9b:1::/48",  # NAT64 of local use (RFC 8215)
        "100::/64",  # discard
        "2001::/23",  # protocol assignments, Teredo among them, which carries IPv4 inside
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries IPv4 inside, retired
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fc00::/7",  # unique local; metadata of one cloud at fd00:ec2::254
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, retired
        "ff00::/8",  # multicast
    )
)
# A public IPv4 address behind NAT64 is as public as without it, so what counts is the address inside.
_NAT64: Final = IPv6Network("64:ff9b::/96")
_REMEMBERED_MAX: Final = 4_096


class AddressRefused(OSError):
    """The address lies in a network that the lane does not allow. It is not named: it may be somebody's secret."""


class Networks:
    """The door for addresses. `allow_private` are networks (`10.1.0.0/16`, `::1/128`) that it lets through."""

    def __init__(self, allow_private: Sequence[str] = ()) -> None:
        self._allowed = tuple(ip_network(text) for text in allow_private)
        self._permits = lru_cache(maxsize=_REMEMBERED_MAX)(self._decide)

    def permits(self, text: str) -> bool:
        """Whether a numeric address may be connected to."""
        return self._permits(text)

    def socket_to(self, info: tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]) -> socket.socket:
        """A socket for the very address (as getaddrinfo gives it) that it is then connected to; else AddressRefused."""
        family, kind, protocol, _, place = info
        if not self._permits(place[0]):
            raise AddressRefused("the address is not public, and this lane does not allow it")
        return socket.socket(family=family, type=kind, proto=protocol)

    def _decide(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        inner = _within(address)
        if any(_lies_in(address, network) or _lies_in(inner, network) for network in self._allowed):
            return True
        return not any(_lies_in(inner, network) for network in _NOT_PUBLIC)


def network_mistakes(at: str, networks: Sequence[str]) -> list[tuple[str, str]]:
    """Those of a setting's texts that are no networks: the place of each in the setting `at`, and what was expected."""
    found = []
    for index, text in enumerate(networks):
        try:
            ip_network(text)
        except ValueError:
            found.append((f"{at}[{index}]", "a network such as 10.0.0.0/8 or ::1/128"))
    return found


def is_loopback(host: str) -> bool:
    """Whether what is sent to a host stays on this machine, so far as the name itself tells."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _within(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _lies_in(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network
