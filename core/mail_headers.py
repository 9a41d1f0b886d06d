"""The headers that a caller may add to an email, and those that are ours.

This file answers for names and values of custom headers (RFC 5322 section 2.2) and for one-click unsubscribe
(RFC 8058). It must never build a message.
"""

import re
from collections.abc import Mapping
from typing import Final

from core.errors import Invalid
from core.pointers import pointer

HEADERS_MAX: Final = 50
# A line has 998 characters at most (RFC 5322 section 2.1.1), and the name stands on it too.
NAME_CHARS_MAX: Final = 76
VALUE_CHARS_MAX: Final = 900

# Printable ASCII but the colon (RFC 5322 section 3.6.8).
_NAME: Final = re.compile(rf"[!-9;-~]{{1,{NAME_CHARS_MAX}}}")
# Set by us, by a relay or by a signer; a second one would make the message ambiguous, which filters punish.
_RESERVED: Final = frozenset(
    (
        *("from", "sender", "reply-to", "to", "cc", "bcc", "apparently-to", "subject", "date", "message-id"),
        *("mime-version", "return-path", "errors-to", "received", "delivered-to"),
        *("dkim-signature", "domainkey-signature", "authentication-results"),
    )
)
_RESERVED_STARTS: Final = ("content-", "resent-", "arc-", "received-")
# RFC 8058 section 3.1: this value and no other.
_ONE_CLICK: Final = "List-Unsubscribe=One-Click"
_HTTPS_URI: Final = re.compile(r"<https://[^<>\s]+>", re.IGNORECASE)


def check_headers(headers: Mapping[str, str], at: str) -> None:
    """Raises Invalid for the first header that may not be sent as it is; `at` is where they stand."""
    if len(headers) > HEADERS_MAX:
        raise Invalid(at, f"expected at most {HEADERS_MAX} headers")
    values: dict[str, str] = {}
    for name, value in headers.items():
        place = pointer(at, name)
        folded = name.lower()
        if not _NAME.fullmatch(name):
            raise Invalid(
                place, f"expected a header name of 1 to {NAME_CHARS_MAX} printable ASCII characters, no colon"
            )
        if folded in _RESERVED or folded.startswith(_RESERVED_STARTS):
            raise Invalid(place, "is a header that Tidings sets itself")
        if folded in values:
            raise Invalid(place, "stands twice, in different letter case")
        if not value.isprintable() or len(value) > VALUE_CHARS_MAX:
            raise Invalid(place, f"expected at most {VALUE_CHARS_MAX} printable characters on one line")
        values[folded] = value
    _check_unsubscribe(values, at)


def _check_unsubscribe(values: Mapping[str, str], at: str) -> None:
    # Mailbox providers hide the button for a header that they cannot use, so a mistake here would go unnoticed.
    where, post = values.get("list-unsubscribe"), values.get("list-unsubscribe-post")
    if where is not None and not where.isascii():
        raise Invalid(pointer(at, "List-Unsubscribe"), "expected ASCII URIs in angle brackets")
    if post is None:
        return
    if post.strip() != _ONE_CLICK:
        raise Invalid(pointer(at, "List-Unsubscribe-Post"), f"expected {_ONE_CLICK} and nothing else (RFC 8058)")
    if where is None or len(_HTTPS_URI.findall(where)) != 1:
        raise Invalid(
            pointer(at, "List-Unsubscribe"), "expected exactly one <https://...> URI for one-click (RFC 8058)"
        )
