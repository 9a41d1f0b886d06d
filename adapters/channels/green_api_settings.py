"""The settings of a Green API instance: one linked WhatsApp device, and the token that speaks for it.

This file answers for names and defaults, and for what an instance and a token must look like. The token stands here in
the open, so the struct never shows itself. It must never read a file or the environment: the configuration did.
"""

import re
from typing import Final

import msgspec

from adapters.channels.base_urls import base_url_mistake
from core.policies import SECOND_US

# Ids of instances have 4 to 18 digits; tokens are hexadecimal, 50 letters long where they were seen.
_INSTANCE: Final = re.compile(r"[0-9]{1,20}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{8,200}")


class GreenApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An instance as the console shows it: `instance` is its id, `url` its apiUrl, `token` its apiTokenInstance.

    `link_preview` says whether links in texts are shown with a picture, None leaves that to Green API. Every request
    ends at the earlier of `timeout_us` and its deadline. `ca_file` adds certificates to trust.
    """

    instance: str
    token: str
    url: str = "https://api.green-api.com"
    link_preview: bool | None = None
    timeout_us: int = 30 * SECOND_US
    ca_file: str | None = None

    def __repr__(self) -> str:
        """Never a secret, and so nothing at all."""
        return "GreenApiSettings(hidden)"


def mistakes(settings: GreenApiSettings) -> list[tuple[str, str]]:
    """Every setting that cannot stand as it is, with what was expected; never with the value, which may be a secret."""
    found = []
    if mistake := base_url_mistake(settings.url):
        found.append(("url", mistake))
    if not _INSTANCE.fullmatch(settings.instance):
        found.append(("instance", "the id of an instance, which has digits only"))
    if not _TOKEN.fullmatch(settings.token):
        found.append(("token", "the token of the instance, of letters and digits, as the console shows it"))
    return found
