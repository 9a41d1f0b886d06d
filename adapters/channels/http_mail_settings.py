"""The settings of email accounts that are spoken to over HTTP: Resend and SendGrid.

This file answers for names, units, defaults, and for what such settings must not say. A key stands here in the open, so
they never show themselves. It must never read a file or the environment: the configuration did.
"""

import re
from typing import Final

import msgspec

from adapters.channels.base_urls import base_url_mistake
from core.addresses import Unfit, mailbox
from core.policies import SECOND_US

# What may stand behind `Bearer ` in a header: anything else would end the header, or the request.
_KEY: Final = re.compile(r"[!-~]{1,512}")


class _Account(msgspec.Struct, frozen=True, kw_only=True):
    """`sender` is the From of mails that name none. Every attempt ends at the earlier of `timeout_us` and its deadline.

    `account` is a name of ours for the account, which its lanes have in common; `ca_file` adds certificates to trust.
    """

    url: str
    key: str
    sender: str
    account: str = ""
    timeout_us: int = 30 * SECOND_US
    ca_file: str | None = None

    def __repr__(self) -> str:
        """Never a secret, and so nothing at all."""
        return f"{type(self).__name__}(hidden)"


class ResendSettings(_Account, frozen=True, kw_only=True):
    """An account at Resend. A key that may only send is enough."""

    url: str = "https://api.resend.com"


class SendGridSettings(_Account, frozen=True, kw_only=True):
    """An account at SendGrid. Those of its EU region are at https://api.eu.sendgrid.com."""

    url: str = "https://api.sendgrid.com"


def mistakes(settings: ResendSettings | SendGridSettings) -> list[tuple[str, str]]:
    """Every setting that cannot stand as it is, with what was expected; never with the value, which may be a secret."""
    found = []
    if mistake := base_url_mistake(settings.url):
        found.append(("url", mistake))
    if not _KEY.fullmatch(settings.key):
        found.append(("key", "the API key as the provider shows it once, without spaces or line ends"))
    try:
        mailbox(settings.sender)
    except Unfit as unfit:
        found.append(("sender", str(unfit)))
    return found
