"""What daemons leave for each other in the database: whoever reads it there learns of nobody."""

import asyncio

import pytest

from actors.sealing import CannotOpen, Seal
from adapters.chance import SystemSecrets
from core.news import PeerNews
from scenarios.loop.run import run_virtual
from tests.promises.house import address, mail
from tests.promises.two_daemons import two_daemons


def test_an_inbox_names_nobody() -> None:
    """Neither a message nor what a person did shows an address or a content while it waits to be taken in."""

    async def main() -> None:
        async with two_daemons() as pair:
            pair.acting.disk.is_unreadable = True
            await asyncio.sleep(1)
            await pair.beside.post(address(1), 1, metadata={"of": "Ann"})
            await pair.beside.tell(PeerNews(did="stopped", channel="email", address=mail(1)))
            waiting = pair.cluster.durable.parking.rows.values()
            assert [row.kind for row in waiting] == ["message", "news"]
            for row in waiting:
                assert not any(private in row.body for private in (address(1).encode(), mail(1).encode(), b"Ann"))

    run_virtual(main)


def test_what_is_sealed_opens_under_the_same_key_alone() -> None:
    """Another installation key, another purpose, something else beside it, or a byte that changed: it stays shut."""
    ours, other = SystemSecrets(b"a" * 32), SystemSecrets(b"b" * 32)
    sealed = Seal(ours, "news").sealed(b"Ann wants no more", beside=b"1")
    assert Seal(ours, "news").opened(sealed, beside=b"1") == b"Ann wants no more"
    assert b"Ann" not in sealed
    for seal, bytes_, beside in (
        (Seal(other, "news"), sealed, b"1"),
        (Seal(ours, "calls"), sealed, b"1"),
        (Seal(ours, "news"), sealed, b"2"),
        (Seal(ours, "news"), sealed[:-1] + bytes([sealed[-1] ^ 1]), b"1"),
        (Seal(ours, "news"), b"", b"1"),
    ):
        with pytest.raises(CannotOpen):
            seal.opened(bytes_, beside=beside)
