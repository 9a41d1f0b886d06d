"""How a part of a file says which messages it means, and the kinds of values that many parts have.

This file answers for the keys of a selector; what they fit is decided in world/choosing.py.
"""

from typing import Annotated

from msgspec import field

from adapters.config.kinds import PositiveUs, Table, Text
from adapters.config.providers import CHANNELS
from adapters.config.reading import Required
from adapters.config.units import choice, fraction
from scenarios.file.readings import template

Share = Annotated[float, fraction(0, 1)]
# A hook is one as well: it is on its way to its handler.
Channel = Annotated[str, choice(*CHANNELS, "hook")]
Template = Annotated[str, template]


class LatencyTable(Table, frozen=True, kw_only=True):
    """A lognormal time with this median and 99th percentile."""

    median_us: Annotated[PositiveUs, Required] = field(default=1_000, name="median")
    p99_us: PositiveUs | None = field(default=None, name="p99")

    @property
    def most_us(self) -> int:
        """What it hardly ever exceeds."""
        return self.median_us if self.p99_us is None else self.p99_us


class Chosen(Table, frozen=True, kw_only=True):
    """Which messages are meant; a key that is left out does not narrow. `to` is an address, or a pattern with `*`.

    `arrivals` is the name of an [[arrive]]; `message` one of its messages, as `name/number`. The message that takes its
    place on another channel is `name/number+1`, the one after that `name/number+2`.
    """

    lane: Text | None = None
    channel: Channel | None = None
    tenant: Text | None = None
    host: Text | None = None
    to: Text | None = None
    arrivals: Text | None = None
    message: Text | None = None
