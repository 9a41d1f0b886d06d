"""The settings of a source of hooks, one struct a scheme: what `[hooks.X]` of the configuration comes to.

This file answers for names, units, defaults, and for what cannot stand. Secrets stand here in the open, so such a
struct never shows itself. It must never read a file or the environment: the configuration did.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, assert_never

import msgspec

from adapters.channels.signing import Hash as Hash
from adapters.hooks.keys import bearer_token, ecdsa_key, standard_key, text_key
from adapters.hooks.scalars import steps_of
from core.policies import SECOND_US

Encoding = Literal["hex", "base64"]

# What Stripe and the Standard Webhooks libraries allow; SendGrid names no bound of its own.
TOLERANCE_US: Final = 300 * SECOND_US

# RFC 9110 section 5.6.2: what a header's name is made of.
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_PUBLIC_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s\[\]/?#@:]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^\s?#]*)?",
    re.ASCII,
)


class _Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that hold secrets."""

    def __repr__(self) -> str:
        """Never a secret, and so nothing at all."""
        return f"{type(self).__name__}(hidden)"


class _Hooks(_Hidden, frozen=True, kw_only=True):
    """What all schemes share: any one of the secrets vouches for a hook, so that they can rotate."""

    secrets: tuple[str, ...]


class StripeHooks(_Hooks, frozen=True, kw_only=True):
    """Stripe's endpoint secrets, whole: what follows `whsec_` is not decoded."""

    tolerance_us: int = TOLERANCE_US


class MetaHooks(_Hooks, frozen=True, kw_only=True):
    """Meta's app secrets, and the token that we chose for its challenge; None answers none."""

    verify_token: str | None = None


class GitHubHooks(_Hooks, frozen=True, kw_only=True):
    """GitHub's webhook secrets."""


class StandardHooks(_Hooks, frozen=True, kw_only=True):
    """Standard Webhooks and Svix: `whsec_`, `whpk_` or `whsk_` and base64, or raw texts."""

    tolerance_us: int = TOLERANCE_US


class SharedKey(_Hidden, frozen=True, kw_only=True):
    """A key of Twilio's for HMAC_SHA256, under the id by which its hooks name it."""

    id: str
    secret: str


class TwilioHooks(_Hooks, frozen=True, kw_only=True):
    """Twilio's auth tokens (HMAC-SHA1), and its shared keys (HMAC-SHA256) if there are any.

    `public_url` is the address under which Twilio reaches us, without the path of the source: it is part of what is
    signed, and the request itself does not know it.
    """

    public_url: str
    shared_keys: tuple[SharedKey, ...] = ()


class GreenApiHooks(_Hooks, frozen=True, kw_only=True):
    """Green API's `webhookUrlToken`s, with or without `Bearer `; and the instances that they belong to, if named.

    A token signs nothing: it vouches for the sender and not for the bytes.
    """

    instances: tuple[str, ...] = ()


class SendGridHooks(_Hooks, frozen=True, kw_only=True):
    """SendGrid's public keys: they are no secrets, but stand in their place."""

    tolerance_us: int = TOLERANCE_US


class HmacHooks(_Hooks, frozen=True, kw_only=True):
    """A sender that puts a keyed hash of the body into a header, after a prefix such as `sha256=`.

    The event's id is found in the header `id_header` or at the pointer `id_pointer` into the body.
    """

    header: str
    hash: Hash = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    id_header: str | None = None
    id_pointer: str | None = None


class TokenHooks(_Hooks, frozen=True, kw_only=True):
    """A sender that shows a secret: as the value of `header`, or, without one, as the password of Basic auth.

    `user` is the user that Basic auth must name, None any. The event's id is found as HmacHooks says.
    """

    header: str | None = None
    user: str | None = None
    id_header: str | None = None
    id_pointer: str | None = None


HookSettings = (
    StripeHooks
    | MetaHooks
    | GitHubHooks
    | StandardHooks
    | TwilioHooks
    | GreenApiHooks
    | SendGridHooks
    | HmacHooks
    | TokenHooks
)

SCHEMES: Final[Mapping[str, type[HookSettings]]] = {
    "stripe": StripeHooks,
    "meta": MetaHooks,
    "github": GitHubHooks,
    "standard": StandardHooks,
    "twilio": TwilioHooks,
    "green_api": GreenApiHooks,
    "sendgrid": SendGridHooks,
    "hmac": HmacHooks,
    "token": TokenHooks,
}
"""The settings of each `scheme`, by its name in the configuration."""

Mistake = tuple[str, str]


def mistakes(settings: HookSettings) -> list[Mistake]:
    """Every setting that cannot stand as it is, with what was expected; never with the value, which may be a secret."""
    match settings:
        case StripeHooks() | GitHubHooks():
            return _secret_mistakes(settings.secrets, text_key)
        case MetaHooks():
            return [*_secret_mistakes(settings.secrets, text_key), *_empty("verify_token", settings.verify_token)]
        case StandardHooks():
            return _secret_mistakes(settings.secrets, standard_key)
        case TwilioHooks():
            return _twilio_mistakes(settings)
        case GreenApiHooks():
            return _secret_mistakes(settings.secrets, bearer_token)
        case SendGridHooks():
            return _secret_mistakes(settings.secrets, ecdsa_key)
        case HmacHooks():
            return [
                *_secret_mistakes(settings.secrets, text_key),
                *_header_mistakes("header", settings.header),
                *_id_mistakes(settings),
            ]
        case TokenHooks():
            return [
                *_secret_mistakes(settings.secrets, text_key),
                *_header_mistakes("header", settings.header),
                *_user_mistakes(settings),
                *_id_mistakes(settings),
            ]
        case _:
            assert_never(settings)


def spellings_of(public_url: str) -> tuple[str, ...]:
    """The ways in which an address may be written: with the port and without it, no slash at the end.

    A port that is not named is the scheme's own. Raises ValueError for what is no http or https address.
    """
    found = _PUBLIC_URL.fullmatch(public_url)
    if found is None:
        raise ValueError("expected an address such as https://tidings.example.com, without user, query and fragment")
    port = found["port"] or {"http": "80", "https": "443"}[found["scheme"]]
    path = (found["path"] or "").rstrip("/")
    return tuple(f"{found['scheme']}://{authority}{path}" for authority in (found["host"], f"{found['host']}:{port}"))


def _secret_mistakes(secrets: tuple[str, ...], read: Callable[[str], object]) -> list[Mistake]:
    if not secrets:
        return [("secrets", "at least one secret")]
    return [mistake for index, secret in enumerate(secrets) for mistake in _unread(f"secrets[{index}]", secret, read)]


def _unread(at: str, text: str, read: Callable[[str], object]) -> list[Mistake]:
    try:
        read(text)
    except ValueError as error:
        return [(at, str(error).removeprefix("expected "))]
    return []


def _empty(at: str, text: str | None) -> list[Mistake]:
    return [(at, "a text that is not empty")] if text == "" else []


def _header_mistakes(at: str, name: str | None) -> list[Mistake]:
    if name is None or _HEADER.fullmatch(name):
        return []
    return [(at, "the name of a header such as X-Signature")]


def _id_mistakes(settings: HmacHooks | TokenHooks) -> list[Mistake]:
    found = _header_mistakes("id_header", settings.id_header)
    if settings.id_pointer is not None:
        found += _unread("id_pointer", settings.id_pointer, steps_of)
    if settings.id_header is not None and settings.id_pointer is not None:
        found.append(("id_pointer", "id_header or id_pointer, not both"))
    return found


def _user_mistakes(settings: TokenHooks) -> list[Mistake]:
    if settings.user is not None and settings.header is not None:
        return [("user", "user or header, not both: a user belongs to Basic auth")]
    # RFC 7617 section 2: the first colon ends the user.
    return [("user", "a user without a colon")] if ":" in (settings.user or "") else []


def _twilio_mistakes(settings: TwilioHooks) -> list[Mistake]:
    found = _unread("public_url", settings.public_url, spellings_of)
    if settings.secrets or not settings.shared_keys:
        found += _secret_mistakes(settings.secrets, text_key)
    ids = [key.id for key in settings.shared_keys]
    for index, key in enumerate(settings.shared_keys):
        if not key.id or key.id in ids[:index]:
            found.append((f"shared_keys[{index}]", "an id that is not empty and stands once"))
        found += _unread(f"shared_keys[{index}]", key.secret, text_key)
    return found
