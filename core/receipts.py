"""A provider's receipt for a message: what it proves, how far it raises the message, and what it says of the peer.

This file answers for merging receipts, however late, often and disordered they come. It decides, and records nothing.
"""

from core import events as e
from core.conclusions import Decision
from core.conversation import Conversation
from core.message import WAITING, Message
from core.news import Receipt
from core.outcomes import Taken
from core.peers import told_of_peer


def receive(conversation: Conversation, message: Message, receipt: Receipt) -> Decision:
    """What a receipt leads to; nothing where it tells what is known already, or a message that was never tried."""
    if not message.attempt or any((receipt.status, message.attempt) == (told, of) for told, _, of in message.receipts):
        return Decision(message=())
    seen = e.ReceiptSeen(
        status=receipt.status,
        attempt=message.attempt,
        told_us=receipt.at_us,
        code=receipt.code,
        failure=receipt.failure,
        provider_id=receipt.provider_id,
    )
    events: tuple[e.Event, ...] = (seen,)
    if _proves(message, receipt):
        proved = e.AttemptProved(
            attempt=message.attempt, evidence="receipt", provider_id=receipt.provider_id, code=receipt.code
        )
        events = (proved, seen)
    own = () if receipt.failure is None else told_of_peer(conversation, receipt.failure, message)
    return Decision(message=events, conversation=own)


def _proves(message: Message, receipt: Receipt) -> bool:
    """Whether it ends a doubt: whatever the provider tells of a message, it has it.

    Outside a doubt a failure is about an attempt that is past, and the next try goes on.
    """
    if message.status not in WAITING and message.status != "held":
        return False
    in_doubt = message.doubt_us is not None or message.held_by == "unknown"
    return in_doubt or receipt.status != "failed"


def found(message: Message, taken: Taken) -> tuple[e.Event, ...]:
    """What it leads to that a provider, asked about an attempt of unknown fate, has the message."""
    proved = e.AttemptProved(
        attempt=message.attempt, evidence="look_up", provider_id=taken.provider_id, code=taken.code
    )
    return (proved,)
