"""A push as FCM takes it: one registration, one notification, and the same collapse keys in every attempt.

This file answers for the JSON that is posted, and for refusing what FCM would refuse anyway. It must never let a repeat
be seen: FCM has no key of its own by which it would know one, so each platform is told which notification it replaces.
"""

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Final

import msgspec

from core.content_shapes import PushContent
from core.outcomes import Permanent
from core.policies import SECOND_US
from core.ports import Parcel

DATA_ID: Final = "tidings_id"
"""Under this key of the data an application finds the message's id, and can tell a repeat for itself."""

# How long FCM keeps a push for a device that is out of reach: four weeks, its longest and its own default.
LIFETIME_S: Final = 28 * 24 * 3_600
# Firebase's reference of messages: these keys of the data are Google's own.
RESERVED: Final = {"from", "message_type", DATA_ID}
RESERVED_PREFIXES: Final = ("google", "gcm")
PAYLOAD_BYTES_MAX: Final = 4_096

# RFC 8030 section 5.4 for a topic of web push; Apple's page on sending requests for a collapse id.
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_COLLAPSE_ID: Final = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")

_DECODER: Final = msgspec.json.Decoder(PushContent)
_ENCODER: Final = msgspec.json.Encoder()


class Registration(msgspec.Struct, frozen=True):
    """One installation of an application: by its registration token, or by its Firebase installation id."""

    kind: str
    value: str


def registration_of(to: str) -> Registration | Permanent:
    """The registration in `token:<value>` or `fid:<value>`."""
    kind, _, value = to.partition(":")
    if kind not in {"token", "fid"} or not value:
        return Permanent(code="registration", detail="expected a registration, token:... or fid:...")
    return Registration(kind, value)


def rendered(parcel: Parcel, registration: Registration, *, now_us: int) -> bytes | Permanent:
    """What is posted for a parcel that is sent now, or why it never can be."""
    content = _DECODER.decode(parcel.content)
    if reserved := [key for key in content.data if key in RESERVED or key.startswith(RESERVED_PREFIXES)]:
        return Permanent(code="data_key", detail=f"{len(reserved)} of the data's keys are reserved")
    data = {**content.data, DATA_ID: parcel.message}
    shown = {name: text for name, text in (("title", content.title), ("body", content.body)) if text}
    # Counted so, too little is refused rather than too much: the rest is FCM's to say.
    size_bytes = sum(len(text.encode()) for text in (*shown.values(), *data.keys(), *data.values()))
    if size_bytes > PAYLOAD_BYTES_MAX:
        return Permanent(code="too_large", detail=f"{size_bytes} bytes of text and data, and FCM takes 4096")
    key = content.collapse_key or parcel.message
    message = {registration.kind: registration.value, "notification": shown, "data": data, **_platforms(key, now_us)}
    return _ENCODER.encode({"message": message})


def _platforms(key: str, now_us: int) -> dict[str, object]:
    """What each platform is told besides: at once, for how long, and which notification it replaces."""
    return {
        # FCM leaves the collapse key of a visible notification unheeded today; its tag is what replaces it.
        "android": {
            "priority": "high",
            "ttl": f"{LIFETIME_S}s",
            "collapse_key": key,
            "notification": {"tag": key},
        },
        "apns": {
            "headers": {
                "apns-collapse-id": key if _COLLAPSE_ID.fullmatch(key) else _derived(key),
                "apns-expiration": str(now_us // SECOND_US + LIFETIME_S),
                "apns-priority": "10",
            }
        },
        "webpush": {
            "headers": {"TTL": str(LIFETIME_S), "Topic": key if _TOPIC.fullmatch(key) else _derived(key)},
        },
    }


def _derived(key: str) -> str:
    """A key of 32 letters that fits everywhere, the same for the same key."""
    return urlsafe_b64encode(sha256(key.encode()).digest()[:24]).decode("ascii")
