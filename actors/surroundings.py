"""What a conversation's actor stands on, and what it answers with when its turn has come."""

from collections.abc import Callable

import msgspec

from actors.shadows import Shadows
from core import events as e
from core.failover import IsUp
from core.message import Message
from core.ports import Chance, Clock, Log
from core.records import Alias
from core.starts import Terms

Decide = Callable[[Message, int], tuple[e.Event, ...]]
"""What a person's wish comes to: (message, now) give events, or Forbidden where its state does not allow it."""


def _never(_: Message) -> bool:
    """Where nobody else can have begun anything."""
    return False


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What every conversation shares. `terms_of` gives policy, version and time zone for a message.

    `is_up` says whether a lane lets anything out. `names_of` gives the names under which the provider's own id of a
    taken message is to be found; `noticed` hears of a message from which something may follow: receipts may wait for
    it, it waits in one of several lanes, its time will be over, or it owes its fallback. It hears of it even where
    nobody can tell whether that is durable, so it has to look for itself; `unsure` hears of every such message, which
    may be due where nobody expects it. `may_be_under_way`: nobody here answers for an attempt, and somebody else may
    still send it. `shadows` are told of decisions where a policy is asked beside the one in force.
    """

    log: Log
    clock: Clock
    chance: Chance
    terms_of: Callable[[Message], Terms]
    is_up: IsUp
    names_of: Callable[[Message], tuple[Alias, ...]]
    noticed: Callable[[Message], None]
    unsure: Callable[[Message], None]
    shadows: Shadows
    window_max: int
    mail_max: int
    may_be_under_way: Callable[[Message], bool] = _never


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An attempt whose intent is durable: it may be sent now."""

    message: Message
    number: int


class Inquiry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message whose last attempt is of unknown fate, and for which evidence was awaited in vain: ask its provider."""

    message: Message
