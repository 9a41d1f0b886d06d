"""What the outside tells us of its own accord: receipts, wishes of people, the state of an account.

This file answers for the closed set of such news, whatever provider they came from. It must never hold what a provider
sent beyond what is acted upon: the raw hook is in the vault.
"""

from typing import Literal

import msgspec

from core.events import ReceiptStatus as ReceiptStatus
from core.outcomes import Failure


class Receipt(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """What became of a message that a provider had taken.

    `provider_id` is the provider's own id for it, `echo` our outside id where the provider gives it back ("" without
    one): at least one of them is there. `at_us` is the provider's instant, None where it names none. `failure` says how
    a failed one is classified, None for the others.
    """

    status: ReceiptStatus
    provider_id: str = ""
    echo: str = ""
    at_us: int | None = None
    code: str = ""
    failure: Failure | None = None


class PeerNews(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """What a person did: `wrote` to us (which opens a reply window), `stopped` or `resumed` what they want to get.

    `address` is in the channel's normal form. `marketing` narrows a stop or a resumption to marketing.
    """

    did: Literal["wrote", "stopped", "resumed"]
    channel: str
    address: str
    at_us: int | None = None
    marketing: bool = False


class LaneNews(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """What happened to a provider account: `down` pauses its lanes, `up` ends that pause, `alert` only warns."""

    state: Literal["down", "up", "alert"]
    code: str


News = Receipt | PeerNews | LaneNews


class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One update of a hook, which becomes one message to its handler.

    `key` identifies the update at its source, so that it is taken once; `body` are the bytes that the handler gets;
    `kind` is the provider's own word for it ("" where it has none).
    """

    key: str
    body: bytes
    kind: str = ""
    news: tuple[News, ...] = ()
