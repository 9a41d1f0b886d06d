"""What an outcome or a peer's own word says about the peer: unreachable, unwilling, or open to free text.

This file answers for suppression and reply windows of a conversation. It decides, and records nothing.
"""

from typing import Final

from core import events as e
from core.conversation import Conversation
from core.message import Message
from core.news import PeerNews
from core.outcomes import OptOut, Outcome, Recipient, Taken, Window
from core.policies import DAY_US

# Messages in a row that could not reach an address, without proof that it is dead, until it is taken for dead.
STRIKES_MAX: Final = 3
# A person's message lets free text follow for so long (WhatsApp's customer service window).
WINDOW_US: Final = DAY_US


def told_of_peer(conversation: Conversation, outcome: Outcome, message: Message) -> tuple[e.Event, ...]:
    """What an outcome, or a later failure of the same kind, leads to for the conversation."""
    match outcome:
        case Taken():
            return _reached(conversation)
        case Window():
            return () if conversation.window_until_us == 0 else (e.WindowClosed(code=outcome.code),)
        case OptOut():
            return _unwilling(conversation, code=outcome.code, marketing=outcome.marketing)
        # A device's token is dead, which its registration tells; the conversation goes on with its next token.
        case Recipient() if message.channel != "push":
            return _unreachable(conversation, outcome)
        case _:
            return ()


def told_by_peer(conversation: Conversation, news: PeerNews, now_us: int) -> tuple[e.Event, ...]:
    """What a person's own doing leads to. An instant in the future counts as now."""
    match news.did:
        case "wrote":
            until_us = min(news.at_us or now_us, now_us) + WINDOW_US
            return (e.WindowOpened(until_us=until_us),) if until_us > (conversation.window_until_us or 0) else ()
        case "stopped":
            return _unwilling(conversation, code="stopped", marketing=news.marketing)
        case "resumed":
            if conversation.suppressed_by != "optout" or (news.marketing and conversation.suppressed == "all"):
                return ()
            return (e.PeerRestored(by="peer", marketing=news.marketing),)


def _reached(conversation: Conversation) -> tuple[e.Event, ...]:
    paced = (e.PaceRestored(),) if conversation.refusals else ()
    if conversation.suppressed_by == "recipient" or conversation.strikes:
        return (*paced, e.PeerRestored(by="reached"))
    return paced


def _unwilling(conversation: Conversation, *, code: str, marketing: bool) -> tuple[e.Event, ...]:
    if conversation.suppressed == "all" or (conversation.suppressed == "marketing" and marketing):
        return ()
    return (e.PeerSuppressed(scope="marketing" if marketing else "all", reason="optout", code=code),)


def _unreachable(conversation: Conversation, outcome: Recipient) -> tuple[e.Event, ...]:
    if conversation.suppressed == "all":
        return ()
    strikes = conversation.strikes + 1
    if outcome.soft and strikes < STRIKES_MAX:
        return (e.PeerStruck(strikes=strikes),)
    return (e.PeerSuppressed(scope="all", reason="recipient", code=outcome.code),)
