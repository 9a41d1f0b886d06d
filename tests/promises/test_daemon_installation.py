"""Answers for the two key files of an installation: made once, for their owner, never anew by accident."""

import stat
from pathlib import Path

import pytest

from adapters.installation import installation_key, key_path, write_for_owner
from core.errors import StoreRefused

CONFIGURED = "ab" * 32


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    """The first call makes 32 bytes in a file that only its owner may read; every later one gives the same."""
    store = tmp_path / "tidings.db"
    key = installation_key(store, None)
    assert len(key) == 32
    assert stat.S_IMODE(key_path(store).stat().st_mode) == 0o600
    store.write_bytes(b"a log")
    assert installation_key(store, None) == key
    assert installation_key(tmp_path / "other.db", None) != key


def test_a_start_that_died_before_the_store_is_repeated(tmp_path: Path) -> None:
    """A key without a store is what a crash between the two leaves: the next start takes it up."""
    store = tmp_path / "tidings.db"
    key = installation_key(store, None)
    assert not store.exists()
    assert installation_key(store, None) == key


def test_a_store_without_its_key_is_never_given_another(tmp_path: Path) -> None:
    """Where the store is there and the key is not, the start is refused and no key is made."""
    store = tmp_path / "tidings.db"
    store.write_bytes(b"a log")
    with pytest.raises(StoreRefused, match=r"tidings\.db\.key is missing"):
        installation_key(store, None)
    assert not key_path(store).exists()
    assert installation_key(store, CONFIGURED) == bytes.fromhex(CONFIGURED)


def test_a_configured_key_must_be_the_one_beside_the_store(tmp_path: Path) -> None:
    """A configured key needs no file, and contradicting the file is refused without showing either."""
    store = tmp_path / "tidings.db"
    assert installation_key(store, CONFIGURED) == bytes.fromhex(CONFIGURED)
    assert not key_path(store).exists()
    kept = installation_key(store, None).hex()
    with pytest.raises(StoreRefused) as refused:
        installation_key(store, CONFIGURED)
    assert kept not in str(refused.value)
    assert CONFIGURED not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"abc", b"zz" * 32, b"ab" * 31, b"\xff" * 64])
def test_a_damaged_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """Anything but 64 hexadecimal digits in the key file is refused, never replaced."""
    store = tmp_path / "tidings.db"
    key_path(store).write_bytes(content)
    with pytest.raises(StoreRefused):
        installation_key(store, None)
    assert key_path(store).read_bytes() == content


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Writing over a file leaves the new text alone, for its owner only, and nothing half-written beside it."""
    file = tmp_path / "admin.key"
    file.write_text("old and readable by everybody")
    (tmp_path / "admin.key.new").write_text("left by a crash")
    write_for_owner(file, "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["admin.key"]
