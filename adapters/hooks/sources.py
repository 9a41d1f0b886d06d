"""Where hooks come from: each configured source with what tells its genuine hooks, and the lanes that it tells about.

This file answers for finding a source by the name in its path. It must never look at a hook.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from adapters.hooks.accounts import (
    GitHubHooks,
    GreenApiHooks,
    HookSettings,
    MetaHooks,
    SendGridHooks,
    StandardHooks,
)
from adapters.hooks.building import verifier_of
from adapters.hooks.verifying import Verifier

# The largest hook that each sender sends. Meta's and GitHub's pages name their bounds, the others' stay far below one
# MiB.
_BODY_BYTES_MAX: Final[Mapping[type[HookSettings], int]] = {MetaHooks: 3 << 20, GitHubHooks: 25 << 20}
_BODY_BYTES_MAX_ELSE: Final = 1 << 20
BODY_BYTES_MOST: Final = 64 << 20
"""A larger one cannot be configured: it would fill the memory for all bodies alone."""

# Whose provider tells what became of messages through which scheme.
_PROVIDERS: Final[Mapping[type[HookSettings], str]] = {
    MetaHooks: "whatsapp_cloud",
    GreenApiHooks: "green_api",
    SendGridHooks: "sendgrid",
    StandardHooks: "resend",
}


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One source of hooks, as configured. Its handler is the lane of its name.

    `order_by` is the JSON pointer to what its hooks are kept in order by, None where each stands for itself. `lanes`
    are those whose messages and accounts it tells about; where the sender names an account in each hook (Green API's
    instance), `accounts` has that of each lane.
    """

    name: str
    tenant: str
    settings: HookSettings
    body_bytes_max: int
    order_by: str | None = None
    lanes: tuple[str, ...] = ()
    accounts: Mapping[str, str] = {}


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A source with its verifier."""

    source: Source
    verifier: Verifier


class Sources:
    """The sources that are configured now."""

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self._by_name: dict[str, Opened] = {}
        self.adopt(sources)

    def adopt(self, sources: Iterable[Source]) -> None:
        """Goes on with these. Raises ValueError for settings that cannot stand, and never shows a secret."""
        self._by_name = {one.name: Opened(source=one, verifier=verifier_of(one.settings)) for one in sources}

    def names(self) -> Iterable[str]:
        """Those of all sources."""
        return self._by_name.keys()

    def named(self, name: str) -> Opened | None:
        """The source of this name, None where there is none."""
        return self._by_name.get(name)


def provider_of(settings: type[HookSettings]) -> str | None:
    """The provider of the lanes that hooks of a scheme tell about, None where they tell about none."""
    return _PROVIDERS.get(settings)


def tells_unasked(settings: type[HookSettings]) -> bool:
    """Whether hooks of a scheme can only be of that provider; Standard Webhooks come from anybody."""
    return provider_of(settings) is not None and settings is not StandardHooks


def body_bytes_max_of(settings: type[HookSettings]) -> int:
    """The largest body that hooks of a scheme have."""
    return _BODY_BYTES_MAX.get(settings, _BODY_BYTES_MAX_ELSE)
