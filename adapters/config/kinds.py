"""The kinds of keys that many tables have, and what every table is.

This file answers for which reading goes with which kind, so that one kind is read alike in every table. It must never
know a key.
"""

from typing import Annotated, Final

import msgspec

from adapters.config.units import rate, span, text, whole
from core.policies import Quota


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the file."""


POSITIVE: Final = span(least_us=1_000)

SpanUs = Annotated[int, span()]
PositiveUs = Annotated[int, POSITIVE]
Rate = Annotated[Quota, rate]
Count = Annotated[int, whole(1)]
Text = Annotated[str, text]
