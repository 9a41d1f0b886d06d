"""Answers for how a value of the code is written in a document, and so in a file.

A name's ending says what a number means: `_us` is a span, `_bytes` a size.
"""

import msgspec

from adapters.config.units import shown_span
from core.policies import BreakerRule, CircuitRule, Poison, Quota

_WINDOWS = {1_000_000: "s", 60_000_000: "min", 3_600_000_000: "h", 86_400_000_000: "d"}


def written(name: str, value: object) -> str:
    """The value of an attribute as a person writes it."""
    match value:
        case bool():
            return str(value).lower()
        case Quota():
            return f"{value.count}/{_WINDOWS[value.window_us]}"
        case Poison():
            return value.kind
        case CircuitRule() | BreakerRule():
            return f"{{ {', '.join(_pairs(value))} }}"
        case int() if name.endswith("_us"):
            return shown_span(value)
        case int() if "_bytes" in name:
            return f"{value >> 20}MiB"
        case _:
            return str(value)


def _pairs(rule: msgspec.Struct) -> list[str]:
    shown = []
    for name, value in msgspec.structs.asdict(rule).items():
        text = written(name, value)
        shown.append(f"{name.removesuffix('_us')} = " + (f'"{text}"' if name.endswith("_us") else text))
    return shown
