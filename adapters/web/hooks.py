"""The door for hooks: a sender's POST in, 200 once all that it brought is durable.

This file answers for the order (size, signature, news, messages, answer) and for answers that senders act upon: 401 for
a hook that is not genuine, 503 where it has to come again, 200 for whatever verified, readable or not. It must never
wait for a handler, answer before the commit, nor say anything of a signature but that it does not fit.
"""

from collections.abc import Awaitable, Sequence
from functools import partial
from itertools import chain
from typing import Final, Literal

from aiohttp import web
from anyio import to_thread

from actors.hooks import Brought
from actors.intake import Acknowledgement
from adapters.clock import wall_us
from adapters.hooks.accounts import MetaHooks, TwilioHooks
from adapters.hooks.meta import challenge_answer
from adapters.hooks.requests import BadSignature, RawHook
from adapters.hooks.sources import Opened, Source
from adapters.hooks.taking import items_in, lanes_concerned, submission_of
from adapters.web.answers import Answer, answer
from adapters.web.auth import Caller
from adapters.web.front import Front
from adapters.web.hook_bodies import body_at_hand, hook_body
from adapters.web.problems import Declined, problem, response
from adapters.web.reading import trace_of
from core import ids
from core.errors import AppendUnknown, Invalid, NotFound, Refused, StreamConflict
from core.news import Item

SOURCE: Final = "{source}"
"""The variable in the paths of hooks."""

# A hook of more updates than this is a large one.
_FEW: Final = 64
# What keeps a hook from being taken charge of now: the sender has to come again.
_COME_AGAIN: Final = (Refused, AppendUnknown, StreamConflict, Invalid)
# The same, where the log took so long that the sender's patience was over.
_AFTER_PATIENCE_S: Final = 5
# What Twilio takes for an answer without instructions; it complains of JSON.
_TWIML: Final = b'<?xml version="1.0" encoding="UTF-8"?><Response></Response>'


class Taken(Answer, frozen=True, kw_only=True):
    """A hook that is durable: `taken` updates are new, `duplicates` came before. `id` is that of a single one."""

    id: str | None
    taken: int
    duplicates: int


class Refusal(Answer, frozen=True, kw_only=True):
    """What a hook that is not genuine is answered, whatever is wrong with it."""

    error: Literal["invalid_signature"] = "invalid_signature"


async def take(front: Front, request: web.Request, _caller: Caller) -> web.Response:
    """Takes charge of what one hook brings."""
    opened = _source(front, request)
    name, figures = opened.source.name, front.hooks.figures
    try:
        with front.hooks.room.share() as share:
            bytes_max, silence_s = opened.source.body_bytes_max, front.bounds.hook_silence_s
            body = body_at_hand(request, share, bytes_max=bytes_max)
            if body is None:
                body = await hook_body(request, share, bytes_max=bytes_max, silence_s=silence_s)
            trace = trace_of(request) or front.hooks.trace()
            taken = await front.hooks.patience.of(_taking(front, opened, _raw(request, body), trace))
    except BadSignature as bad:
        return _refused(front, name, bad, 401)
    except Declined as declined:
        figures.refused(name, declined.problem.type.rpartition(":")[2])
        raise
    except (*_COME_AGAIN, TimeoutError) as error:
        figures.refused(name, "unavailable")
        return response(problem("unavailable", "hooks cannot be taken now", retry_after_s=_after_s(error)))
    if isinstance(taken, Acknowledgement):
        taken = [taken]
    repeated = [acknowledged.duplicate for acknowledged in taken].count(True)
    figures.took(name, taken=len(taken) - repeated, repeated=repeated)
    return _answer(opened.source, taken, repeated)


async def challenge(front: Front, request: web.Request, _caller: Caller) -> web.Response:
    """Answers Meta's question whether we know the word that was agreed upon; other senders ask none."""
    opened = _source(front, request)
    if not isinstance(opened.source.settings, MetaHooks):
        raise Declined(problem("method", f"{request.path} takes POST, not {request.method}"), {"Allow": "POST"})
    try:
        text = challenge_answer(_raw(request, b""), opened.source.settings)
    except BadSignature as bad:
        return _refused(front, opened.source.name, bad, 403)
    return web.Response(text=text, content_type="text/plain", headers={"X-Content-Type-Options": "nosniff"})


def _source(front: Front, request: web.Request) -> Opened:
    # From the path itself: whoever was found by the whole of it has no variable.
    name = request.rel_url.path_safe.rpartition("/")[2]
    opened = front.hooks.sources.named(name)
    if opened is None:
        raise NotFound("no source of hooks is configured under this name")
    return opened


def _raw(request: web.Request, body: bytes) -> RawHook:
    return RawHook(method=request.method, raw_path=request.raw_path, headers=tuple(request.headers.items()), body=body)


def _taking(
    front: Front, opened: Opened, hook: RawHook, trace: str
) -> Awaitable[Acknowledgement | list[Acknowledgement]]:
    """What takes charge of all that a hook brings, once it is known to be genuine."""
    if len(hook.body) > front.bounds.hook_on_loop_bytes_max:
        return _read_elsewhere(front, opened, hook, trace)
    items = _read(opened, hook, wall_us())
    if len(items) == 1 and not items[0].news:
        # As nearly every hook is: what many updates ask for would cost as much as the acceptance itself.
        only = submission_of(opened.source, hook, items[0], trace=trace)
        return front.desk.intake.accept(opened.source.tenant, only)
    return _charged(front, opened.source, hook, items, trace=trace)


async def _read_elsewhere(front: Front, opened: Opened, hook: RawHook, trace: str) -> list[Acknowledgement]:
    items = await to_thread.run_sync(_read, opened, hook, wall_us())
    return await _charged(front, opened.source, hook, items, trace=trace)


def _read(opened: Opened, hook: RawHook, now_us: int) -> list[Item]:
    """The updates of a hook. `now_us` is the wall's time, since that is what senders sign; log time may be ahead."""
    opened.verifier.verify(hook, now_us)
    return items_in(opened.source, hook)


async def _charged(
    front: Front, source: Source, hook: RawHook, items: list[Item], *, trace: str
) -> list[Acknowledgement]:
    if len(items) <= _FEW:
        return await _heeded(front, source, hook, items, trace=trace)
    # Large batches side by side would all be late, and come again together; one after another the first are in time.
    async with front.hooks.large:
        return await _heeded(front, source, hook, items, trace=trace)


async def _heeded(
    front: Front, source: Source, hook: RawHook, items: list[Item], *, trace: str
) -> list[Acknowledgement]:
    """Heeds the news of a hook, then takes charge of its updates."""
    news = list(chain.from_iterable(item.news for item in items if item.news))
    desk = front.desk.hooks
    if news:
        brought = Brought(tenant=source.tenant, news=news, lanes=source.lanes, accounts=lanes_concerned(source, hook))
        await desk.heed(brought)
    submissions = map(partial(submission_of, source, hook, trace=trace), items)
    return await desk.take(source.tenant, submissions, count=len(items))


def _after_s(error: Exception) -> int:
    """When the sender is to come again."""
    if isinstance(error, TimeoutError):
        return _AFTER_PATIENCE_S
    return error.retry_after_s if isinstance(error, Refused) else 1


def _answer(source: Source, taken: Sequence[Acknowledgement], repeated: int) -> web.Response:
    if isinstance(source.settings, TwilioHooks):
        return web.Response(body=_TWIML, content_type="text/xml")
    only = ids.encode("hook", taken[0].id) if len(taken) == 1 else None
    return answer(Taken(id=only, taken=len(taken) - repeated, duplicates=repeated))


def _refused(front: Front, source: str, bad: BadSignature, status: int) -> web.Response:
    """The same answer whatever is wrong: it leaves no event, but is counted."""
    front.hooks.figures.refused(source, bad.reason)
    front.witness.note("hook_refused", source=source, reason=bad.reason)
    return answer(Refusal(), status)
