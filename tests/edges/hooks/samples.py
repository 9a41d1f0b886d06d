"""Answers for one genuine hook of each scheme, with what is signed of it, for tests that ask the same of all.

It must never hold what only one scheme knows; that scheme's own file of tests does.
"""

import hashlib
import hmac
from base64 import b64encode
from typing import Final

import msgspec

from adapters.hooks.accounts import (
    GitHubHooks,
    GreenApiHooks,
    HmacHooks,
    HookSettings,
    MetaHooks,
    SendGridHooks,
    StandardHooks,
    StripeHooks,
    TokenHooks,
    TwilioHooks,
)
from adapters.hooks.requests import RawHook
from tests.edges.hooks.posts import AT_S, post
from tests.edges.hooks.vectors import (
    BY_KEY,
    BY_ONE,
    GITHUB,
    META_BODY,
    META_SECRET,
    META_SIGNATURE,
    OLD_V1,
    SENDGRID_BODY,
    SENDGRID_KEY,
    SENDGRID_SIGNATURE,
    STANDARD_BODY,
    STANDARD_ID,
    STANDARD_ONE,
    STANDARD_PUBLIC,
    STANDARD_TWO,
    STRIPE_BODY,
    STRIPE_OLD,
    TWILIO_FORM,
    TWILIO_JSON,
    TWILIO_JSON_PATH,
    TWILIO_JSON_SIGNATURE,
    TWILIO_PATH,
    TWILIO_PUBLIC_URL,
    TWILIO_SIGNATURE,
    TWILIO_TOKEN,
)


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A genuine hook, the settings that accept it, and another source's secret, which does not.

    `headers` must each stand once; the first is the signature. `signed` are those of the others that are signed.
    `timed`: whether a second is signed; `bodily`: whether the body is.
    """

    name: str
    settings: HookSettings
    foreign: str
    hook: RawHook
    headers: tuple[str, ...]
    signed: tuple[str, ...] = ()
    timed: bool = False
    bodily: bool = True


def standard_headers(signature: str, *, family: str = "webhook", event: str = STANDARD_ID) -> list[tuple[str, str]]:
    """The three headers, under the standard's names or Svix's."""
    return [(f"{family}-id", event), (f"{family}-timestamp", str(AT_S)), (f"{family}-signature", signature)]


def sendgrid_headers(signature: str, at_s: int = AT_S) -> list[tuple[str, str]]:
    """The two headers of SendGrid."""
    return [
        ("X-Twilio-Email-Event-Webhook-Signature", signature),
        ("X-Twilio-Email-Event-Webhook-Timestamp", str(at_s)),
    ]


def basic(user: str, password: str) -> str:
    """The value of `Authorization` for Basic auth."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


_TWILIO: Final = "X-Twilio-Signature"
FORM_TYPE: Final = ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
JSON_TYPE: Final = ("Content-Type", "application/json")
_STANDARD_NAMES: Final = ("webhook-signature", "webhook-id", "webhook-timestamp")
_SVIX_NAMES: Final = ("svix-signature", "svix-id", "svix-timestamp")
_SENDGRID_NAMES: Final = ("X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp")
_TWILIO_SETTINGS: Final = TwilioHooks(secrets=(TWILIO_TOKEN,), public_url=TWILIO_PUBLIC_URL)
# A P-256 key of nobody: the base point of the curve, whose private key is 1.
_OTHER_P256: Final = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBo"
    "N79R9Q=="
)

SAMPLES: Final = [
    Sample(
        name="stripe",
        settings=StripeHooks(secrets=(STRIPE_OLD,)),
        foreign="whsec_foreign",
        hook=post(STRIPE_BODY, [("Stripe-Signature", f"t={AT_S},{OLD_V1}")]),
        headers=("Stripe-Signature",),
        timed=True,
    ),
    Sample(
        name="meta",
        settings=MetaHooks(secrets=(META_SECRET,)),
        foreign="app-secret-2",
        hook=post(META_BODY, [("X-Hub-Signature-256", META_SIGNATURE)]),
        headers=("X-Hub-Signature-256",),
    ),
    Sample(
        name="github",
        settings=GitHubHooks(secrets=(GITHUB[1][0],)),
        foreign="gh-foreign",
        hook=post(GITHUB[1][1], [("X-Hub-Signature-256", GITHUB[1][2])]),
        headers=("X-Hub-Signature-256",),
    ),
    Sample(
        name="standard",
        settings=StandardHooks(secrets=(STANDARD_ONE,)),
        foreign=STANDARD_TWO,
        hook=post(STANDARD_BODY, standard_headers(BY_ONE)),
        headers=_STANDARD_NAMES,
        signed=_STANDARD_NAMES[1:],
        timed=True,
    ),
    Sample(
        name="standard-ed25519",
        settings=StandardHooks(secrets=(STANDARD_PUBLIC,)),
        foreign="whsk_" + b64encode(bytes(32)).decode(),
        hook=post(STANDARD_BODY, standard_headers(BY_KEY)),
        headers=_STANDARD_NAMES,
        signed=_STANDARD_NAMES[1:],
        timed=True,
    ),
    Sample(
        name="svix",
        settings=StandardHooks(secrets=(STANDARD_ONE,)),
        foreign=STANDARD_TWO,
        hook=post(STANDARD_BODY, standard_headers(BY_ONE, family="svix")),
        headers=_SVIX_NAMES,
        signed=_SVIX_NAMES[1:],
        timed=True,
    ),
    Sample(
        name="twilio-form",
        settings=_TWILIO_SETTINGS,
        foreign="54321",
        hook=post(TWILIO_FORM, [(_TWILIO, TWILIO_SIGNATURE), FORM_TYPE], raw_path=TWILIO_PATH),
        headers=(_TWILIO,),
    ),
    Sample(
        name="twilio-json",
        settings=_TWILIO_SETTINGS,
        foreign="54321",
        hook=post(TWILIO_JSON, [(_TWILIO, TWILIO_JSON_SIGNATURE), JSON_TYPE], raw_path=TWILIO_JSON_PATH),
        headers=(_TWILIO,),
    ),
    Sample(
        name="green_api",
        settings=GreenApiHooks(secrets=("green-token",), instances=("1101",)),
        foreign="green-foreign",
        hook=post(b'{"instanceData":{"idInstance":1101}}', [("Authorization", "Bearer green-token")]),
        headers=("Authorization",),
        bodily=False,
    ),
    Sample(
        name="sendgrid",
        settings=SendGridHooks(secrets=(SENDGRID_KEY,)),
        foreign=_OTHER_P256,
        hook=post(SENDGRID_BODY, sendgrid_headers(SENDGRID_SIGNATURE)),
        headers=_SENDGRID_NAMES,
        signed=_SENDGRID_NAMES[1:],
        timed=True,
    ),
    Sample(
        name="hmac",
        settings=HmacHooks(
            secrets=("keyed-secret",), header="X-Shop-Hmac", hash="sha512", encoding="base64", prefix="v="
        ),
        foreign="keyed-foreign",
        hook=post(
            b"{}", [("X-Shop-Hmac", "v=" + b64encode(hmac.digest(b"keyed-secret", b"{}", hashlib.sha512)).decode())]
        ),
        headers=("X-Shop-Hmac",),
    ),
    Sample(
        name="token",
        settings=TokenHooks(secrets=("opensesame",), header="X-Shop-Token"),
        foreign="foreign",
        hook=post(b"{}", [("X-Shop-Token", "opensesame")]),
        headers=("X-Shop-Token",),
        bodily=False,
    ),
    Sample(
        name="token-basic",
        settings=TokenHooks(secrets=("opensesame",), user="postmark"),
        foreign="foreign",
        hook=post(b"{}", [("Authorization", basic("postmark", "opensesame"))]),
        headers=("Authorization",),
        bodily=False,
    ),
]
