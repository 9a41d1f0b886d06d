"""What a device and its token are called: by the application, by a message, and in the vault.

This file answers for the form of a registration and of the names in it. Only the vault holds them: whatever else keeps
something of a device keeps keyed hashes.
"""

from typing import Final, Literal

import msgspec

from core.addresses import PUSH_USER_CHARS_MAX, Unfit, push_user
from core.errors import CorruptLog, Invalid
from core.records import Sealed
from core.sealing import commitment_of

# FCM's own registration tokens have some 160 characters, and its documentation names no bound.
TOKEN_CHARS_MAX: Final = 4_096
APP_CHARS_MAX: Final = 255

TokenKind = Literal["token", "fid"]
Platform = Literal["android", "ios", "web"]


class DeviceName(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A device as its application names it: whose it is, and which one of theirs."""

    user: str
    device: str

    @property
    def address(self) -> str:
        """How a message to this device alone is addressed: no user can have this form, so no caller can ask for it."""
        return f"{self.user}\n{self.device}"


class Token(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Under what the provider knows an installation: a registration token or a Firebase installation id."""

    kind: TokenKind
    value: str

    @property
    def address(self) -> str:
        """How a channel is told of it: `token:...` or `fid:...`."""
        return f"{self.kind}:{self.value}"


class Registration(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an application says of one installation of itself."""

    name: DeviceName
    token: Token
    platform: Platform
    app: str = ""


class DevicePrivate(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What only the vault may hold of a device."""

    user: str
    device: str
    kind: TokenKind
    token: str

    @property
    def name(self) -> DeviceName:
        """Whose device it is, and which."""
        return DeviceName(user=self.user, device=self.device)

    @property
    def held(self) -> Token:
        """The token that it registered with last."""
        return Token(kind=self.kind, value=self.token)


def device_name(user: str, device: str) -> DeviceName:
    """The name of a device; raises Invalid where a part of it is none. `at` is then its place in the path."""
    user = user_name(user)
    try:
        return DeviceName(user=user, device=push_user(device))
    except Unfit:
        words = f"expected a device of 1 to {PUSH_USER_CHARS_MAX} printable characters without space around it"
        raise Invalid("{device}", words) from None


def user_name(text: str) -> str:
    """The name of a user, as for a push to them; raises Invalid where it is none."""
    try:
        return push_user(text)
    except Unfit as unfit:
        raise Invalid("{user}", str(unfit)) from None


def named_in(address: str) -> DeviceName | None:
    """The device that a message is addressed to; None where it is to a user."""
    user, newline, device = address.partition("\n")
    return DeviceName(user=user, device=device) if newline else None


def private_of(registration: Registration) -> DevicePrivate:
    """What the vault keeps of a registration."""
    return DevicePrivate(
        user=registration.name.user,
        device=registration.name.device,
        kind=registration.token.kind,
        token=registration.token.value,
    )


def sealed_form(private: DevicePrivate) -> bytes:
    """The private part as bytes for the vault."""
    return _ENCODER.encode(private)


def unsealed(sealed: Sealed, commitment: bytes) -> DevicePrivate:
    """The private part again; raises CorruptLog where it is not what its device's last registration committed to."""
    if commitment_of(sealed.private, sealed.salt) != commitment:
        raise CorruptLog(f"the vault row of stream {sealed.stream} is not what its device committed to")
    return _DECODER.decode(sealed.private)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(DevicePrivate)
