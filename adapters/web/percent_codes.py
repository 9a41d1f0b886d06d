"""Percent codes in a URL (RFC 3986, section 2.1): whether they stand for any text.

This file answers for names in a path and values of a query being what the client wrote. The server's library leaves a
code that stands for nothing as it is, so that two URLs would name one thing; here it is a mistake, told with its place.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from aiohttp import web

from adapters.web.problems import Declined, invalid

_NO_CODE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_NAME_CHARS_MAX: Final = 100


def name_in_path(request: web.Request, variable: str) -> str:
    """The name that stands for a variable of the path; what is no UTF-8 in percent codes is declined (422)."""
    name = request.match_info[variable]
    if "%" not in name:
        return name
    resource = request.match_info.route.resource
    assert resource is not None, "a path with variables is one of a resource"
    # No slash is part of a name but as a code, so both have as many steps.
    place = resource.canonical.split("/").index(f"{{{variable}}}")
    if not _is_text(request.rel_url.raw_path.split("/")[place]):
        raise _unreadable(f"{{{variable}}}")
    return name


def check_query(request: web.Request) -> None:
    """Declines a query with percent codes that are no UTF-8 (422)."""
    raw = request.rel_url.raw_query_string
    if _is_text(raw):
        return
    for pair in raw.split("&"):
        if not _is_text(pair):
            raise _unreadable(f"?{pair.partition('=')[0][:_NAME_CHARS_MAX]}")


def _is_text(raw: str) -> bool:
    if "%" not in raw:
        return True
    if _NO_CODE.search(raw):
        return False
    try:
        unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(at: str) -> Declined:
    return invalid(at, "expected UTF-8 in percent codes, and %25 for a percent sign")
