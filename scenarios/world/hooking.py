"""Hooks on their way in: signed by the world as their senders sign them, and taken as the door for hooks takes them.

This file answers for the order of that door (adapters/web/hooks.py): signature, news, messages, answer. What it leaves
out are sockets and the reading of a body.
"""

import hmac
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from typing import Final, Protocol

import msgspec

from actors.hooks import Brought
from actors.intake import Acknowledgement
from adapters.hooks.accounts import HookSettings, MetaHooks, StripeHooks
from adapters.hooks.requests import RawHook
from adapters.hooks.sources import Opened, Source, Sources, body_bytes_max_of
from adapters.hooks.taking import items_in, lanes_concerned, submission_of
from core.content_shapes import HookContent
from core.contents import Submission
from core.policies import SECOND_US
from scenarios.file.arriving import Request
from scenarios.file.scenario import Hook
from scenarios.world.choosing import Subject

# What a sender and we share, and what somebody else signs with.
_SHARED: Final = "whsec_of_a_simulated_world"
_FOREIGN: Final = "whsec_of_somebody_else"
_DECODER: Final = msgspec.json.Decoder(HookContent)


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One hook: from which source, its body, and the keys of the updates in it, in their order."""

    source: str
    body: bytes
    updates: tuple[str, ...]
    forged: bool = False


class Desk(Protocol):
    """Where a daemon takes hooks."""

    def heed(self, brought: Brought) -> Awaitable[None]:
        """See actors/hooks.py."""
        ...

    def take(self, tenant: str, submissions: Iterable[Submission], *, count: int) -> Awaitable[list[Acknowledgement]]:
        """See actors/hooks.py."""
        ...


def post_of(request: Request) -> Post:
    """The hook that a sender's call brings."""
    return Post(source=request.hook, body=request.body, updates=request.updates, forged=request.forged)


def sources_of(hooks: Sequence[Hook]) -> Sources:
    """The sources that a file configures."""
    return Sources(_source(hook) for hook in hooks)


def _source(hook: Hook) -> Source:
    settings: HookSettings
    settings = StripeHooks(secrets=(_SHARED,)) if hook.scheme == "stripe" else MetaHooks(secrets=(_SHARED,))
    return Source(
        name=hook.name,
        tenant=hook.tenant,
        settings=settings,
        body_bytes_max=body_bytes_max_of(type(settings)),
        order_by=hook.order_by,
        lanes=hook.lanes,
    )


def signed(opened: Opened, post: Post, at_s: int) -> RawHook:
    """The request as its sender makes it at a second of its own clock."""
    key = (_FOREIGN if post.forged else _SHARED).encode()
    if isinstance(opened.source.settings, StripeHooks):
        digest = hmac.digest(key, f"{at_s}.".encode() + post.body, "sha256").hex()
        header = ("Stripe-Signature", f"t={at_s},v1={digest}")
    else:
        header = ("X-Hub-Signature-256", f"sha256={hmac.digest(key, post.body, 'sha256').hex()}")
    headers = (header, ("Content-Type", "application/json"))
    return RawHook(method="POST", raw_path=f"/hooks/{post.source}", headers=headers, body=post.body)


async def take(desk: Desk, opened: Opened, post: Post, *, sent_us: int, wall_us: int) -> list[Acknowledgement]:
    """What was taken charge of, an answer for each update. `sent_us` is by the sender's clock, `wall_us` by ours.

    Raises BadSignature, or what makes the sender come again.
    """
    hook, source = signed(opened, post, sent_us // SECOND_US), opened.source
    opened.verifier.verify(hook, wall_us)
    items = items_in(source, hook)
    assert len(items) == len(post.updates), f"{post.source} reads {len(items)} updates where there are {post.updates}"
    news = [one for item in items for one in item.news]
    if news:
        lanes = lanes_concerned(source, hook)
        await desk.heed(Brought(tenant=source.tenant, news=news, lanes=source.lanes, accounts=lanes))
    submissions = [submission_of(source, hook, item, trace=key) for item, key in zip(items, post.updates, strict=True)]
    return await desk.take(source.tenant, submissions, count=len(submissions))


def subjects_in(opened: Opened, post: Post) -> Iterator[Subject]:
    """Each update as selectors see it: on its way to the handler of its source."""
    hook, source = signed(opened, post, 0), opened.source
    for key, item in zip(post.updates, items_in(source, hook), strict=True):
        yield Subject(
            key=key,
            lane=source.name,
            channel="hook",
            tenant=source.tenant,
            to=submission_of(source, hook, item, trace="").to,
            host=None,
            content=item.body,
        )


def body_of(content: bytes) -> bytes:
    """What a handler is handed: the bytes that came in, whatever headers go along."""
    return _DECODER.decode(content).body
