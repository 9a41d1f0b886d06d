"""The settings of a hook's handler: where it is called, and how it can tell that it is we who call.

This file answers for names, units, defaults, and for what cannot stand. Secrets stand here in the open, so such a
struct never shows itself. It must never read a file or the environment: the configuration did.
"""

from typing import Final

import msgspec

from adapters.channels.networks import is_loopback, network_mistakes
from adapters.channels.signing import secret_mistakes
from core import addresses
from core.policies import SECOND_US

_THIS_MACHINE: Final = ("127.0.0.0/8", "::1/128")


class ForwardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A handler at `url`. It may be on this machine, over http, without being allowed to: nobody listens in between.

    Anywhere else it has a public address and https, unless `allow_private` names its network and `allow_http` is set.
    `signing_secrets` are `whsec_` and base64, or raw texts, newest first; none: what it gets is unsigned. Every attempt
    ends at the earlier of `timeout_us` and its deadline.
    """

    url: str
    signing_secrets: tuple[str, ...] = ()
    allow_private: tuple[str, ...] = ()
    allow_http: bool = False
    timeout_us: int = 30 * SECOND_US
    keep_alive_us: int = 4 * SECOND_US
    ca_file: str | None = None

    def __repr__(self) -> str:
        """Never a secret, and so nothing at all."""
        return f"{type(self).__name__}(hidden)"

    @property
    def networks(self) -> tuple[str, ...]:
        """Networks that are not public and may be called all the same."""
        return (*self.allow_private, *(_THIS_MACHINE if is_on_this_machine(self.url) else ()))


class KeptSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A source of hooks without a handler: there is nothing to set."""


def mistakes(settings: ForwardSettings) -> list[tuple[str, str]]:
    """Every setting that cannot stand as it is, with what was expected; never with the value, which may be a secret."""
    return [
        *_url_mistakes(settings),
        *secret_mistakes("signing_secrets", settings.signing_secrets),
        *network_mistakes("allow_private", settings.allow_private),
    ]


def _url_mistakes(settings: ForwardSettings) -> list[tuple[str, str]]:
    try:
        url, _ = addresses.endpoint(settings.url)
    except addresses.Unfit as unfit:
        return [("url", str(unfit).removeprefix("expected "))]
    if url.startswith("https:") or settings.allow_http or is_on_this_machine(settings.url):
        return []
    return [("url", "https, or allow_http = true: what is sent to another machine in the open is anybody's")]


def is_on_this_machine(url: str) -> bool:
    """Whether what is sent to a URL stays on this machine."""
    try:
        _, host = addresses.endpoint(url)
    except addresses.Unfit:
        return False
    return is_loopback(host)
