"""conv: one conversation's circuit, its pauses, its reply window, and whether its peer wants to hear from us."""

from typing import Literal

from core.events.shape import Event


class FailureCounted(Event, frozen=True, kw_only=True):
    """`streak` failures in a row now; the circuit is still closed."""

    streak: int


class FailuresCleared(Event, frozen=True, kw_only=True):
    """A success ended a streak before it opened the circuit."""


class CircuitOpened(Event, frozen=True, kw_only=True):
    """Nothing but one probe goes out, and that not before `until_us`. `openings` counts them since it last closed."""

    until_us: int
    streak: int
    openings: int


class CircuitClosed(Event, frozen=True, kw_only=True):
    """A probe succeeded, or a person reset the circuit, which ends the peer's own pause as well."""

    by: Literal["probe", "operator"]


class ConversationPaused(Event, frozen=True, kw_only=True):
    """The provider asked for a slower pace towards this peer: nothing goes out before `until_us`.

    `refusals` counts them in a row, where each makes the next wait longer; 0 where it does not.
    """

    until_us: int
    code: str
    refusals: int = 0


class PaceRestored(Event, frozen=True, kw_only=True):
    """A message was taken after refusals in a row: the next one counts from the start."""


class WindowOpened(Event, frozen=True, kw_only=True):
    """The peer wrote to us: free text may go out until `until_us`."""

    until_us: int


class WindowClosed(Event, frozen=True, kw_only=True):
    """The provider says that the peer's reply window is closed."""

    code: str


class PeerStruck(Event, frozen=True, kw_only=True):
    """The address could not be reached, for `strikes` messages in a row now; no proof yet that it never will be."""

    strikes: int


class PeerSuppressed(Event, frozen=True, kw_only=True):
    """Nothing more is sent there (or nothing that is marketing): the address is dead, or its owner wants no more."""

    scope: Literal["all", "marketing"]
    reason: Literal["recipient", "optout"]
    code: str = ""


class PeerRestored(Event, frozen=True, kw_only=True):
    """Messages are sent there again: the peer asked for them or was reached, or a person said so."""

    by: Literal["peer", "reached", "operator"]
    marketing: bool = False
