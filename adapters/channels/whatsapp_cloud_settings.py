"""The settings of a WhatsApp number at Meta's Cloud API, and what they must not say.

This file answers for names, defaults and plain mistakes. The token stands here in the open, so such a struct never
shows itself.
"""

import re
from typing import Final

import msgspec

from adapters.channels.base_urls import base_url_mistake
from core.policies import SECOND_US

_ID: Final = re.compile(r"[0-9]{1,32}")
_VERSION: Final = re.compile(r"v[0-9]{1,3}\.[0-9]{1,2}")
_TOKEN: Final = re.compile(r"[!-~]+")


class WhatsAppCloudSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A sender: `phone_number_id` is Meta's id of the number, not the number; `account` the id of its business account.

    `version` is that of the Graph API, which Meta retires after about two years. Every attempt ends at the earlier of
    `timeout_us` and its deadline; cut short after it left, it is in doubt, so this is longer than Meta ever takes.
    `ca_file` adds certificates to trust.
    """

    phone_number_id: str
    token: str
    account: str = ""
    url: str = "https://graph.facebook.com"
    version: str = "v26.0"
    timeout_us: int = 30 * SECOND_US
    ca_file: str | None = None

    def __repr__(self) -> str:
        """Never a secret, and so nothing at all."""
        return f"{type(self).__name__}(hidden)"


def mistakes_of(settings: WhatsAppCloudSettings) -> list[tuple[str, str]]:
    """Every setting that cannot stand, with what was expected; never with the value, which may be a secret."""
    found = []
    if (mistake := base_url_mistake(settings.url)) is not None:
        found.append(("url", mistake))
    if not _VERSION.fullmatch(settings.version):
        found.append(("version", "a version of the Graph API such as v26.0"))
    if not _ID.fullmatch(settings.phone_number_id):
        found.append(("phone_number_id", "the id that Meta gave the number, digits only"))
    if not _TOKEN.fullmatch(settings.token):
        found.append(("token", "an access token: printable ASCII without spaces"))
    if settings.account and not _ID.fullmatch(settings.account):
        found.append(("account", "the id of the WhatsApp business account, digits only"))
    if settings.timeout_us <= 0:
        found.append(("timeout", "a span above 0"))
    return found
