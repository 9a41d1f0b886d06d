"""Where a provider's API begins, as an account's settings name it.

This file answers for base URLs that can stand: readable, without parts that would be lost, and encrypted unless they
stay on this machine. It must never repeat a URL in what it says, and knows no settings, so that all can know it.
"""

import re
from typing import Final

from yarl import URL

_BASE: Final = re.compile(r"https?://[^/?#@\s]+(?:/[^?#\s]*)?")
_THIS_MACHINE: Final = {"localhost", "127.0.0.1", "::1"}


def base_url_mistake(base_url: str, *, allow_http: bool = False) -> str | None:
    """What was expected of a base URL, where it cannot stand; None where it can."""
    if not base_url.isascii() or not _BASE.fullmatch(base_url):
        return "a URL such as https://api.example.com, without user, query and fragment"
    try:
        url = URL(base_url)
        host = url.host
    except ValueError:
        return "a URL whose host and port can be read"
    if url.scheme != "https" and not allow_http and host not in _THIS_MACHINE:
        return "https, since the account's secret travels with every request"
    return None
