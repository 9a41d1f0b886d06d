"""GitHub: `X-Hub-Signature-256: sha256=<hex>` over the body, whether that is JSON or a form.

This file answers for that header. It must never look at `X-Hub-Signature`, the same with SHA-1, which GitHub still
sends for old receivers.
"""

from typing import Final

from adapters.hooks.accounts import GitHubHooks, HmacHooks
from adapters.hooks.keyed_hash import KeyedHashVerifier

HEADER: Final = "X-Hub-Signature-256"


class GitHubVerifier(KeyedHashVerifier):
    """Verifies what one GitHub webhook sends."""

    def __init__(self, settings: GitHubHooks) -> None:
        super().__init__(HmacHooks(secrets=settings.secrets, header=HEADER, prefix="sha256="))
