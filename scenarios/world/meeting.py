"""What awaits one request at the other side, decided before it leaves.

This file answers for the value alone; how it comes about is nature.py's business.
"""

import msgspec

from core.news import Receipt
from scenarios.file.answers import Answer
from scenarios.file.readings import FOREVER_US
from scenarios.file.sides import ReceiptsTable


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of the message `key`. `fails` None means that it is taken; `connects_us` comes before `answers_us`.

    `provider_id` is what the provider calls the message, empty where it never tells of it. `is_recorded`: the file says
    what this attempt met, rather than how its kind behaves. `told` is what is recorded of its receipts, each with its
    span since the message was taken; None where nothing is.
    """

    key: str
    attempt: int
    fails: Answer | None
    connects_us: int
    answers_us: int
    is_idempotent: bool
    knows_for_us: int = FOREVER_US
    provider_id: str
    receipts: ReceiptsTable | None
    is_recorded: bool = False
    told: tuple[tuple[int, Receipt], ...] | None = None
