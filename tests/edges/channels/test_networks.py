"""Answers for which addresses a webhook may reach."""

import socket

import pytest

from adapters.channels.networks import AddressRefused, Networks


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255"),
        *("127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255"),
        *("192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1"),
        *("2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%1"),
        *("fec0::1", "ff02::1", "localhost", "", "127.1"),
    ],
)
def test_nothing_but_public_addresses_is_reached(address: str) -> None:
    """Loopback, private, link-local, carrier, metadata and multicast are refused in all their IPv4 and IPv6 clothes."""
    assert not Networks().permits(address)
    with pytest.raises(AddressRefused):
        Networks().socket_to((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80)))


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1", "172.15.255.255"),
        *("172.32.0.1", "192.167.1.1", "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700::1111"),
    ],
)
def test_public_addresses_are_reached(address: str) -> None:
    """What lies just beside a private network is public, and so is a public IPv4 address behind NAT64."""
    assert Networks().permits(address)


@pytest.mark.parametrize(
    ("network", "address", "permitted"),
    [
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", True),
        ("127.0.0.0/8", "::1", False),
        ("127.0.0.1/32", "127.0.0.2", False),
        ("10.1.0.0/16", "10.2.0.1", False),
        ("::1/128", "::1", True),
        ("::1/128", "127.0.0.1", False),
        ("fd00::/8", "fd00:ec2::254", True),
    ],
)
def test_a_lane_may_allow_private_networks_by_name(network: str, address: str, *, permitted: bool) -> None:
    """Exactly what is allowed is reached, however the address is written."""
    assert Networks([network]).permits(address) is permitted
