"""A provider's receipt for a message: what it proves, how far it raises the message, and what it says of the peer.

This file answers for merging receipts, however late, often and disordered they come. It decides, and records nothing.
"""

from collections.abc import Collection

from core import events as e
from core.conclusions import Decision
from core.conversation import Conversation
from core.message import TAKEN, WAITING, Message
from core.news import Receipt
from core.outcomes import Taken
from core.peers import reached, told_of_peer


def receive(conversation: Conversation, message: Message, receipt: Receipt, lanes: Collection[str]) -> Decision:
    """What a receipt of any of these lanes leads to.

    Nothing where it tells what is known already, or of a message that was never tried there.
    """
    attempt = message.attempt_in(lanes)
    if not attempt or any((receipt.status, attempt) == (told.status, told.attempt) for told in message.receipts):
        return Decision(message=())
    seen = e.ReceiptSeen(
        status=receipt.status,
        attempt=attempt,
        told_us=receipt.at_us,
        code=receipt.code,
        failure=receipt.failure,
        provider_id=receipt.provider_id,
    )
    events: tuple[e.Event, ...] = (seen,)
    if _proves(message, receipt, attempt):
        proved = e.AttemptProved(
            attempt=attempt, evidence="receipt", provider_id=receipt.provider_id, code=receipt.code
        )
        events = (proved, seen)
    return Decision(message=events, conversation=_of_peer(conversation, message, receipt))


def _proves(message: Message, receipt: Receipt, attempt: int) -> bool:
    """Whether it concludes a message that is open: whatever its provider tells of the attempt in doubt, it has it.

    Outside a doubt a failure is about an attempt that is past, and the next try goes on.
    """
    if message.status not in WAITING and message.status != "held":
        return False
    if receipt.status != "failed":
        return True
    in_doubt = message.doubt_us is not None or message.held_by == "unknown"
    return in_doubt and attempt == message.attempt


def _of_peer(conversation: Conversation, message: Message, receipt: Receipt) -> tuple[e.Event, ...]:
    if receipt.failure is not None:
        return told_of_peer(conversation, receipt.failure, message, is_final=True)
    return reached(conversation) if receipt.status in {"delivered", "read"} else ()


def told_by_part(push: Message, status: e.ReceiptStatus, code: str) -> tuple[e.Event, ...]:
    """What it leads to that the messages for a user's devices have all failed, or that one of them has arrived."""
    if push.status not in TAKEN or any((status, push.attempt) == (told.status, told.attempt) for told in push.receipts):
        return ()
    return (e.ReceiptSeen(status=status, attempt=push.attempt, code=code),)


def found(message: Message, taken: Taken) -> tuple[e.Event, ...]:
    """What it leads to that a provider, asked about an attempt of unknown fate, has the message."""
    proved = e.AttemptProved(
        attempt=message.attempt, evidence="look_up", provider_id=taken.provider_id, code=taken.code
    )
    return (proved,)
