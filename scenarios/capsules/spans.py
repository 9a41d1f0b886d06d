"""Instants and durations of a capsule as text: seconds, since those of a log are fine and people read them."""

from core.policies import SECOND_US


def span(span_us: int) -> str:
    """A duration in seconds, exact to the microsecond; what lies before a begin is at it."""
    whole, rest = divmod(max(0, span_us), SECOND_US)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".") + "s"
