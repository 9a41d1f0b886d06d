"""The key that checkpoints are signed with: a file beside the log for its owner alone, and its public half for all.

This file answers for making it once. It must never show it, nor make another one where the first is lost: checkpoints
under two keys would prove nothing to whoever knows one of them.
"""

from pathlib import Path
from typing import Final

from adapters.chance import fresh_sealing_seed
from adapters.installation import write_for_owner
from core.errors import StoreRefused
from eventstore.audit.checkpoints import SEED_BYTES, public_key_of

_PUBLIC_BYTES: Final = 32


def seed_path(log: Path) -> Path:
    """Where the signing key of a log lies."""
    return log.with_name(f"{log.name}.seal.key")


def public_path(log: Path) -> Path:
    """Where its public half lies."""
    return log.with_name(f"{log.name}.seal.pub")


def sealing_seed(log: Path, *, is_sealed: bool) -> bytes:
    """The signing key of a log, made at the first seal. Raises StoreRefused where it is missing or damaged."""
    place = seed_path(log)
    if place.is_file():
        seed = _hexadecimal(place, SEED_BYTES)
    elif is_sealed:
        raise StoreRefused(f"the log is sealed, and its key {place} is missing: put the key file back")
    else:
        seed = fresh_sealing_seed()
        write_for_owner(place, f"{seed.hex()}\n")
    if not public_path(log).is_file():
        write_for_owner(public_path(log), f"{public_key_of(seed).hex()}\n")
    return seed


def public_key(log: Path, given: str | None) -> bytes:
    """The public key to check with: the given one (hexadecimal, or a file that holds it), or the one beside the log."""
    if given is None:
        return _hexadecimal(public_path(log), _PUBLIC_BYTES)
    if len(given) == 2 * _PUBLIC_BYTES and not Path(given).exists():
        return _bytes_of(given, "--public-key", _PUBLIC_BYTES)
    return _hexadecimal(Path(given), _PUBLIC_BYTES)


def _hexadecimal(place: Path, count_bytes: int) -> bytes:
    try:
        return _bytes_of(place.read_text().strip(), str(place), count_bytes)
    except (OSError, UnicodeDecodeError) as error:
        raise StoreRefused(f"{place} cannot be read: {error}") from None


def _bytes_of(text: str, where: str, count_bytes: int) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != count_bytes:
        raise StoreRefused(f"{where} holds no key: expected {2 * count_bytes} hexadecimal digits")
    return found
