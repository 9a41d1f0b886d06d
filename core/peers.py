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
# A device's token is dead, which its registration tells, and the user's conversation goes on with the next one; a
# handler's word that it wants a hook no more is about that hook.
_NO_ADDRESS: Final = frozenset({"push", "hook"})


def told_of_peer(
    conversation: Conversation, outcome: Outcome, message: Message, *, is_final: bool
) -> tuple[e.Event, ...]:
    """What an outcome, or a later failure of the same kind, leads to for the conversation.

    `is_final`: nothing more will be heard of what was taken. Else only a receipt shows that it arrived.
    """
    match outcome:
        case Taken():
            paced = (e.PaceRestored(),) if conversation.refusals else ()
            return (*paced, *reached(conversation)) if is_final else paced
        case Window():
            return () if conversation.window_until_us == 0 else (e.WindowClosed(code=outcome.code),)
        case OptOut():
            return _unwilling(conversation, code=outcome.code, marketing=outcome.marketing)
        case Recipient() if message.channel not in _NO_ADDRESS:
            return _unreachable(conversation, outcome)
        case _:
            return ()


def reached(conversation: Conversation) -> tuple[e.Event, ...]:
    """What it leads to that a message certainly arrived: the address works."""
    return (e.PeerRestored(by="reached"),) if conversation.is_unreachable or conversation.strikes else ()


def told_by_peer(conversation: Conversation, news: PeerNews, now_us: int) -> tuple[e.Event, ...]:
    """What a person's own doing leads to. An instant in the future counts as now."""
    match news.did:
        case "wrote":
            until_us = min(news.at_us or now_us, now_us) + WINDOW_US
            return (e.WindowOpened(until_us=until_us),) if until_us > (conversation.window_until_us or 0) else ()
        case "stopped":
            return _unwilling(conversation, code="stopped", marketing=news.marketing)
        case "resumed":
            if conversation.unwanted is None or (news.marketing and conversation.unwanted == "all"):
                return ()
            return (e.PeerRestored(by="peer", marketing=news.marketing),)


def _unwilling(conversation: Conversation, *, code: str, marketing: bool) -> tuple[e.Event, ...]:
    if conversation.unwanted == "all" or (conversation.unwanted == "marketing" and marketing):
        return ()
    return (e.PeerSuppressed(scope="marketing" if marketing else "all", reason="optout", code=code),)


def _unreachable(conversation: Conversation, outcome: Recipient) -> tuple[e.Event, ...]:
    if conversation.is_unreachable:
        return ()
    strikes = conversation.strikes + 1
    if outcome.soft and strikes < STRIKES_MAX:
        return (e.PeerStruck(strikes=strikes),)
    return (e.PeerSuppressed(scope="all", reason="recipient", code=outcome.code),)
