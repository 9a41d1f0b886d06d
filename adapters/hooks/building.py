"""From a source's settings to its verifier.

This file answers for which settings make which verifier. It must never make one that could not refuse.
"""

from typing import assert_never

from adapters.hooks.accounts import (
    GitHubHooks,
    GreenApiHooks,
    HmacHooks,
    HookSettings,
    MetaHooks,
    SendGridHooks,
    StandardHooks,
    StripeHooks,
    TokenHooks,
    TwilioHooks,
    mistakes,
)
from adapters.hooks.github import GitHubVerifier
from adapters.hooks.green_api import GreenApiVerifier
from adapters.hooks.keyed_hash import KeyedHashVerifier
from adapters.hooks.meta import MetaVerifier
from adapters.hooks.sendgrid import SendGridVerifier
from adapters.hooks.shared_token import SharedTokenVerifier
from adapters.hooks.standard import StandardVerifier
from adapters.hooks.stripe import StripeVerifier
from adapters.hooks.twilio import TwilioVerifier
from adapters.hooks.verifying import Verifier


def verifier_of(settings: HookSettings) -> Verifier:
    """The verifier of a source. Raises ValueError for settings that `mistakes` names, and never shows a secret."""
    if wrong := mistakes(settings):
        raise ValueError("; ".join(f"{setting}: expected {expected}" for setting, expected in wrong))
    match settings:
        case StripeHooks():
            return StripeVerifier(settings)
        case MetaHooks():
            return MetaVerifier(settings)
        case GitHubHooks():
            return GitHubVerifier(settings)
        case StandardHooks():
            return StandardVerifier(settings)
        case TwilioHooks():
            return TwilioVerifier(settings)
        case GreenApiHooks():
            return GreenApiVerifier(settings)
        case SendGridHooks():
            return SendGridVerifier(settings)
        case HmacHooks():
            return KeyedHashVerifier(settings)
        case TokenHooks():
            return SharedTokenVerifier(settings)
        case _:
            assert_never(settings)
