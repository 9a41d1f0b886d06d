"""Signed checkpoints: where every shard stood at an instant, and a root over all events since the one before.

This file answers for what is signed and how checkpoints follow on each other. It must never read a log or a key file.
Each is one line of JSON in a file beside the log, so that sealing never writes to the log.
"""

from collections.abc import Iterable
from hashlib import sha256
from struct import Struct
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.errors import CorruptLog
from core.ids import SHARDS
from core.timekeeping import INSTANT_END_US
from eventstore.numbering import Numbering

# The first checkpoint follows on this.
NO_CHECKPOINT: Final = bytes(32)
SEED_BYTES: Final = 32

# What is signed begins with its purpose, so that no signature of ours can stand for anything else.
_PURPOSE: Final = b"tidings checkpoint 1\0"
_NUMBERS: Final = Struct(">QqQQ")
_SHARD: Final = Struct(">Hq")

# What a file may say: whoever it comes from, no more than a log can hold, and no instant behind the year 9999.
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Signature = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}\Z")]
Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Instant = Annotated[int, msgspec.Meta(ge=0, lt=INSTANT_END_US)]
Shard = Annotated[int, msgspec.Meta(ge=0, lt=SHARDS)]
Shards = dict[Shard, tuple[Number, Hash]]


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint's signature is over. Bytes are hexadecimal; `at_us` is when it was sealed.

    It seals the events behind the position `after` up to `up_to`: `root` is over their links in the order of arrival,
    `shards` is the digest of where every shard then stood, `previous` that of the checkpoint before.
    """

    number: Number
    at_us: Instant
    after: Number
    up_to: Number
    root: Hash
    shards: Hash
    previous: Hash
    signature: Signature = ""

    @property
    def signed(self) -> bytes:
        """The bytes that are signed."""
        numbers = _NUMBERS.pack(self.number, self.at_us, self.after, self.up_to)
        return b"".join((_PURPOSE, numbers, *map(bytes.fromhex, (self.root, self.shards, self.previous))))

    @property
    def digest(self) -> bytes:
        """What the next checkpoint holds of this one."""
        return sha256(self.signed).digest()


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A seal, and what its digest of the shards was made of: of each that has events its last number and link."""

    seal: Seal
    shards: Shards

    def numbering(self) -> Numbering:
        """Where the log goes on behind it."""
        numbering = Numbering()
        numbering.pos = self.seal.up_to
        for shard, (seq, link) in self.shards.items():
            numbering.seqs[shard], numbering.links[shard] = seq, bytes.fromhex(link)
        return numbering


def shards_of(numbering: Numbering) -> Shards:
    """Where the shards stand that have events."""
    return {
        shard: (numbering.seqs[shard], numbering.links[shard].hex()) for shard in range(SHARDS) if numbering.seqs[shard]
    }


def digest_of(shards: Shards) -> bytes:
    """The digest of where all shards stand."""
    digest = sha256()
    for shard, (seq, link) in sorted(shards.items()):
        digest.update(_SHARD.pack(shard, seq))
        digest.update(bytes.fromhex(link))
    return digest.digest()


def sealed(numbering: Numbering, root: bytes, *, before: Checkpoint | None, at_us: int, seed: bytes) -> Checkpoint:
    """The checkpoint that follows on `before` where the log has come to `numbering`, signed under a key's seed."""
    shards = shards_of(numbering)
    seal = Seal(
        number=1 if before is None else before.seal.number + 1,
        at_us=at_us,
        after=0 if before is None else before.seal.up_to,
        up_to=numbering.pos,
        root=root.hex(),
        shards=digest_of(shards).hex(),
        previous=(NO_CHECKPOINT if before is None else before.seal.digest).hex(),
    )
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(seal.signed)
    return Checkpoint(seal=msgspec.structs.replace(seal, signature=signature.hex()), shards=shards)


def public_key_of(seed: bytes) -> bytes:
    """The public key of a seed: 32 bytes, for everybody (RFC 8032)."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def is_signed(seal: Seal, public_key: bytes) -> bool:
    """Whether the owner of a key signed this."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(seal.signature), seal.signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def encoded(checkpoint: Checkpoint) -> bytes:
    """A checkpoint as one line."""
    return msgspec.json.encode(checkpoint) + b"\n"


def decoded(lines: Iterable[bytes]) -> list[Checkpoint]:
    """The checkpoints of a file, in order. Raises CorruptLog for what is none."""
    found: list[Checkpoint] = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(_DECODER.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CorruptLog(f"line {number} of the checkpoints is none: {error}") from error
    return found


def wrong_in(checkpoints: list[Checkpoint], public_key: bytes) -> list[str]:
    """What does not hold of checkpoints by themselves: signatures, digests, and each following on the one before."""
    wrong: list[str] = []
    previous, up_to = NO_CHECKPOINT, 0
    for number, checkpoint in enumerate(checkpoints, 1):
        seal = checkpoint.seal
        if not is_signed(seal, public_key):
            wrong.append(f"checkpoint {seal.number}: its signature is not one of this key")
        elif seal.shards != digest_of(checkpoint.shards).hex():
            wrong.append(f"checkpoint {seal.number}: what it says of the shards is not what was signed")
        elif (seal.number, seal.after, seal.previous) != (number, up_to, previous.hex()):
            wrong.append(f"checkpoint {seal.number} does not follow on checkpoint {number - 1}: one is missing")
        if wrong:
            break  # Nothing behind it can be judged.
        previous, up_to = seal.digest, seal.up_to
    return wrong


_DECODER: Final = msgspec.json.Decoder(Checkpoint)
