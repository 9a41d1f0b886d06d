"""What a provider said, as it may be kept: without addresses, numbers of people, links, keys and tokens.

This file answers for texts that end up in events, which live forever and hold no personal data. It must never be asked
to keep a text whole: the code beside it is what machines use.
"""

import re
from typing import Final

from core.outcomes import DETAIL_CHARS_MAX

# Far more than is kept is enough to look at, and bounds the work on an answer that is made to be slow.
_LOOKED_AT_CHARS: Final = 2_000
# The local part of an address may appear alone ("user ann unknown"); shorter ones would blot out half of the words.
_NAME_CHARS_MIN: Final = 3
_LINK: Final = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://\S+", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"<?[^\s<>@,;:\"'()\[\]]+@[^\s<>@,;:\"'()\[\]]+>?")
# Phone numbers, account numbers, IPv4 addresses: whatever has seven digits or more with little between them.
_NUMBER: Final = re.compile(r"\+?\d(?:[ ().-]?\d){6,}")
# Tokens, keys and ids of devices, which errors like to quote: no word of a language is as long.
_KEY: Final = re.compile(r"[A-Za-z0-9_+=-]{32,}")
_BLANK: Final = re.compile(r"\s+")


def scrubbed(text: str, *, to: str = "") -> str:
    """At most 200 printable characters of a text on one line, without what could name a person; `to` is one of them."""
    text = text[:_LOOKED_AT_CHARS]
    text = _LINK.sub("<link>", text)
    text = _ADDRESS.sub("<address>", text)
    name = to.partition("@")[0]
    if len(name) >= _NAME_CHARS_MIN:
        text = re.sub(re.escape(name), "<address>", text, flags=re.IGNORECASE)
    text = _KEY.sub("<key>", text)
    text = _NUMBER.sub("<number>", text)
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return _BLANK.sub(" ", text).strip()[:DETAIL_CHARS_MAX].rstrip()
