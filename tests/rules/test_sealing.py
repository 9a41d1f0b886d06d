"""Answers for the private part: it comes back as it was, and nothing else passes for it."""

from hashlib import sha256
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.errors import CorruptLog
from core.records import Private, Sealed
from core.sealing import commitment_of, seal, unseal

_texts: Final = st.one_of(st.none(), st.text())
_privates: Final = st.builds(
    Private,
    to=st.text(),
    content=st.binary(max_size=200),
    reference=_texts,
    metadata=st.one_of(st.none(), st.binary(max_size=50)),
    correlation=_texts,
    idempotency_key=_texts,
)
_salts: Final = st.binary(min_size=16, max_size=16)


def _sealed(private: Private, salt: bytes) -> tuple[Sealed, bytes]:
    body, commitment = seal(private, salt)
    return Sealed(stream=7, tenant="org1", subject=b"s", salt=salt, private=body), commitment


@given(private=_privates, salt=_salts)
def test_what_was_sealed_comes_back(private: Private, salt: bytes) -> None:
    """Address, content and everything beside them survive the vault exactly."""
    sealed, commitment = _sealed(private, salt)
    assert unseal(sealed, commitment) == private


@given(private=_privates, salt=_salts, at=st.integers(0), flip=st.integers(1, 255))
def test_what_was_touched_is_refused(private: Private, salt: bytes, at: int, flip: int) -> None:
    """One changed byte of the private part or of the salt, and it is not what the log committed to."""
    sealed, commitment = _sealed(private, salt)
    for field in ("private", "salt"):
        spoiled = bytearray(getattr(sealed, field))
        spoiled[at % len(spoiled)] ^= flip
        with pytest.raises(CorruptLog, match="vault row of stream 7"):
            unseal(replace(sealed, **{field: bytes(spoiled)}), commitment)


def test_the_commitment_is_salted_sha256() -> None:
    """sha256(salt || bytes), so that anybody can check it with both at hand, and nobody without."""
    assert commitment_of(b"body", b"salt") == sha256(b"saltbody").digest()


@given(private=_privates, salts=st.tuples(_salts, _salts).filter(lambda pair: pair[0] != pair[1]))
def test_equal_contents_cannot_be_told_by_their_commitments(private: Private, salts: tuple[bytes, bytes]) -> None:
    """The same words to the same peer commit differently each time: their salts differ."""
    assert seal(private, salts[0])[1] != seal(private, salts[1])[1]


def test_the_vaults_bytes_never_change_their_form() -> None:
    """These bytes lie in vaults already, so they must read back as they did when they were written."""
    private = Private(to="ann@example.com", content=b"{}", reference="event42")
    body, _ = seal(private, bytes(16))
    assert body == b"\x97\xafann@example.com\xc4\x02{}\xa7event42\xc0\xc0\xc0\xc0"
    first = b"\x96\xafann@example.com\xc4\x02{}\xa7event42\xc0\xc0\xc0"
    assert unseal(_kept(first), commitment_of(first, b"")) == private
    older = b"\x92\xafann@example.com\xc4\x02{}"
    assert unseal(_kept(older), commitment_of(older, b"")) == Private(to="ann@example.com", content=b"{}")


def _kept(private: bytes) -> Sealed:
    return Sealed(stream=7, tenant="org1", subject=b"s", salt=b"", private=private)
