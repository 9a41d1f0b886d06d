"""What becomes of the bytes of one attempt: when they pass, and where they break off.

This file answers for each place of a break being drawn by the attempt's own key. It must never depend on what other
attempts there are, nor on which line carries this one.
"""

from typing import Final

import msgspec

from scenarios.draws import Draws
from scenarios.world.meeting import Meeting

# A mail is several commands there and back, which share the time of its answer: greeting, hello, sender, recipient,
# permission, mail.
ROUND_TRIPS_OF_MAIL: Final = 6
# A request that breaks off does so in one of so many writes, if there are as many: before a mail are four commands.
_WRITES: Final = 5
# Between two bytes that drip, there and back: an answer of usual length takes seconds.
_DRIP_US: Final = 10_000
_GARBAGE_BYTES_MAX: Final = 48


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """The fate of an attempt's bytes. `there_us` and `back_us` are what each way takes.

    Of the request: `is_lost` all of it; `breaks_in` counts the write in which the line breaks, after the share
    `breaks_at` of that write. `is_stale`: it breaks where the line has carried another attempt before. Of the answer,
    once the request has arrived: after the share `ends_at` of it the line breaks (`reset`), closes (`closes`) or falls
    silent (`stalls`); `garbage` comes in its place. `in_bytes`: everything comes byte by byte, `gap_us` apart.
    """

    there_us: int
    back_us: int
    slow_us: int = 0
    is_lost: bool = False
    breaks_in: int | None = None
    breaks_at: float = 0.0
    is_stale: bool = False
    ends_at: float | None = None
    ends_by: str = ""
    garbage: bytes = b""
    in_bytes: bool = False
    gap_us: int = 0


def course_of(meeting: Meeting, draws: Draws, key: str, attempt: int, *, is_mail: bool) -> Course:
    """The course that an attempt takes."""
    fails = meeting.fails
    slow_us = 0 if fails is None else fails.slow_us
    whole_us = max(2, meeting.answers_us - slow_us)
    there_us = whole_us // (2 * ROUND_TRIPS_OF_MAIL) if is_mail else whole_us // 2
    back_us = there_us if is_mail else whole_us - there_us
    plain = Course(there_us=there_us, back_us=back_us, slow_us=slow_us)
    share = draws.draw("place in the bytes", key, attempt)
    changed: dict[str, object] = {}
    match "" if fails is None else fails.kind:
        case "timeout":
            changed = {"is_lost": True}
        case "reset":
            writes = _WRITES if is_mail else 1
            changed = {"breaks_in": draws.integer("broken write", key, attempt, below=writes), "breaks_at": share}
        case "refused":
            # Nobody listens any more; a line that was open before breaks with the first byte.
            changed = {"breaks_in": 0}
        case "lost_reply":
            changed = {"ends_at": 0.0, "ends_by": "breaks"}
        case "stalled":
            changed = {"ends_at": share, "ends_by": "stalls"}
        case "truncated":
            changed = {"ends_at": share, "ends_by": "closes"}
        case "half_closed":
            changed = {"ends_at": 0.0, "ends_by": "closes"}
        case "garbage":
            count = 1 + draws.integer("garbage bytes", key, attempt, below=_GARBAGE_BYTES_MAX)
            changed = {"garbage": draws.fresh(count, "garbage", key, attempt)}
        case "split":
            changed = {"in_bytes": True}
        case "drip":
            changed = {"in_bytes": True, "gap_us": _DRIP_US}
        case "stale":
            changed = {"is_stale": True}
        case _:
            pass  # The bytes pass as they are; what is said in them is the provider's.
    return msgspec.structs.replace(plain, **changed)
