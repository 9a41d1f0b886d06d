"""The two files that belong to an installation: the key of its store, and the first admin key.

This file answers for writing them so that a crash at any point leaves something that the next start understands, and
for who may read them (their owner alone). It must never show what is in them.
"""

import os
from pathlib import Path
from typing import Final

from actors.diary import key_check_in, key_check_of
from actors.keys import Keys
from adapters.chance import fresh_installation_key
from core.errors import StoreRefused
from core.ports import Secrets
from core.records import Recorded

ADMIN_KEY_FILE: Final = "admin.key"

_FIRST: Final = "made at the first start"
_KEY_HEX: Final = 64
_OWNER_ONLY: Final = 0o600


def installation_key(store: Path, configured: str | None) -> bytes:
    """The key of this store: the configured one, or the one in the file beside it, made together with the store only.

    Raises StoreRefused where the store is there and its key is not: another key would find no conversation, no
    idempotency key and no API key again.
    """
    return key_in(key_path(store), configured, store=str(store), is_used=store.exists())


def key_in(path: Path, configured: str | None, *, store: str, is_used: bool) -> bytes:
    """The same for a key in this file: a store that `is_used` has its key, any other may get a fresh one."""
    kept = _read(path)
    if configured is not None:
        if kept is not None and kept != bytes.fromhex(configured):
            raise StoreRefused(
                f"[store] installation_key is not the key in {path}, which this store was made with."
                " Configure that one, or remove the file if it never belonged to this store."
            )
        return bytes.fromhex(configured)
    if kept is not None:
        return kept
    if is_used:
        raise StoreRefused(
            f"The store {store} is there, but its installation key {path} is missing. Put the key file back"
            " (it belongs into every backup of the store), or configure [store] installation_key."
        )
    fresh = fresh_installation_key()
    # Before the store: a key without a store is used by the next start, a store without its key could not be.
    write_for_owner(path, fresh.hex())
    return fresh


def has_key(path: Path, configured: str | None) -> bool:
    """Whether there is a key already, so that none would be made."""
    return configured is not None or path.exists()


def check_key(secrets: Secrets, recorded: list[Recorded], *, store: str) -> None:
    """Raises StoreRefused where the log (`recorded` is its first stream) was last written under another key."""
    known = key_check_in(recorded)
    if known is not None and known != key_check_of(secrets):
        raise StoreRefused(
            f"The installation key that was found here is not the one that the log in {store} was written under."
            " Configure that one as [store] installation_key, the same on every machine, or copy its key file."
        )


def key_path(store: Path) -> Path:
    """Where the installation key of a store lies."""
    return store.with_name(store.name + ".key")


def key_path_of(database: str, data: Path) -> Path:
    """Where the installation key of a log on a server lies: no daemon is beside its database, so in its directory."""
    return data / f"{database}.key"


def write_for_owner(path: Path, text: str) -> None:
    """Puts a text into a file that only its owner may read: all of it or none, and durable on return."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


async def first_admin_key(keys: Keys, data: Path) -> Path | None:
    """Makes the first admin key of an empty store and writes it to `<data>/admin.key`; answers with that file if so.

    The file is there, empty, before the key is: one that is found empty tells that a first start was cut short, and
    that whatever key it made is known to nobody.
    """
    file = data / ADMIN_KEY_FILE
    cut_short = file.is_file() and file.stat().st_size == 0
    if keys.all() and not cut_short:
        return None
    for known in keys.all():
        if known.label == _FIRST and not known.revoked:
            await keys.revoke(known.id)
    write_for_owner(file, "")
    _, secret = await keys.add(tenant=None, role="admin", label=_FIRST)
    write_for_owner(file, secret)
    return file


def _read(path: Path) -> bytes | None:
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreRefused(f"The installation key {path} cannot be read: {error}.") from None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) * 2 != _KEY_HEX:
        raise StoreRefused(f"The installation key {path} is damaged: expected {_KEY_HEX} hexadecimal digits.")
    return key
