"""A provider that delivers to files: mail to a Maildir, everything else to JSON lines. It can misbehave to order.

This file answers for a channel that needs no account and no network, whose faults are chosen in the settings and drawn
by key, so that the same messages fail in the same way again. It must never block the loop: threads write the files.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, assert_never

import msgspec
from anyio import to_thread

from adapters.channels.accounts import Misbehaviour, SandboxSettings
from adapters.channels.mail import mail_of, sender_of
from adapters.channels.maildir import Lines, Maildir
from core import outcomes
from core.outcomes import Ambiguous, Outcome, Taken, Transient
from core.ports import Chance, Clock, Parcel

_ENCODER: Final = msgspec.json.Encoder()


class _Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    message: str
    attempt: int
    tenant: str
    channel: str
    to: str
    content: msgspec.Raw
    accepted_us: int
    at_us: int


class SandboxChannel:
    """One sandbox lane: `<directory>/<lane>` is its Maildir, `<directory>/<lane>.jsonl` its file of lines."""

    def __init__(self, settings: SandboxSettings, *, lane: str, channel: str, clock: Clock, chance: Chance) -> None:
        # A lane's name becomes a file's name and must not lead anywhere else.
        assert lane not in {"", ".", ".."}, f"no file can be called {lane!r}"
        assert not set(lane) & {"/", "\\", "\0"}, f"no file can be called {lane!r}"
        directory = Path(settings.directory)
        self._settings = settings
        self._channel = channel
        self._clock = clock
        self._chance = chance
        self._sender = sender_of(settings.sender)
        self._maildir = Maildir(directory / lane)
        self._lines = Lines(directory / f"{lane}.jsonl")

    async def send(self, parcel: Parcel, handed_over: Callable[[], None]) -> Outcome:
        """Writes the message, unless a misbehaviour says otherwise. A file that cannot be written is transient."""
        if self._clock.now_us() >= parcel.deadline_us:
            return Transient(code="timeout")
        ordered = self._ordered(parcel)
        handed_over()
        if ordered is None or ordered.outcome in {"taken", "ambiguous"}:
            try:
                await to_thread.run_sync(self._write, parcel, self._clock.now_us())
            except OSError as error:
                return Transient(code="disk", detail=error.strerror or "")
        if ordered is None:
            return Taken(code="sandbox", provider_id=_name(parcel))
        return await self._misbehave(ordered, parcel)

    async def close(self) -> None:
        """Holds nothing open."""

    def _ordered(self, parcel: Parcel) -> Misbehaviour | None:
        for number, ordered in enumerate(self._settings.misbehave):
            if not fnmatchcase(parcel.to, ordered.match):
                continue
            if ordered.times is not None and parcel.attempt > ordered.times:
                continue
            if self._chance.draw("sandbox", number, parcel.message, parcel.attempt) < ordered.share:
                return ordered
        return None

    def _write(self, parcel: Parcel, at_us: int) -> None:
        if self._channel == "email":
            self._maildir.put(_name(parcel), mail_of(parcel, self._sender).data)
        else:
            self._lines.put(_ENCODER.encode(self._line(parcel, at_us)))

    def _line(self, parcel: Parcel, at_us: int) -> _Line:
        return _Line(
            message=parcel.message,
            attempt=parcel.attempt,
            tenant=parcel.tenant,
            channel=self._channel,
            to=parcel.to,
            # A caller's JSON may hold line breaks, and a line must not.
            content=msgspec.Raw(msgspec.json.format(parcel.content, indent=-1)),
            accepted_us=parcel.accepted_us,
            at_us=at_us,
        )

    async def _misbehave(self, ordered: Misbehaviour, parcel: Parcel) -> Outcome:
        if ordered.delay_us > 0:
            answers_us = self._clock.now_us() + ordered.delay_us
            await self._clock.sleep_until(min(answers_us, parcel.deadline_us))
            if answers_us > parcel.deadline_us:
                return Ambiguous(code="timeout")
        return _outcome(ordered)


def _name(parcel: Parcel) -> str:
    """A file name for each attempt: a mail that is sent twice lies there twice, as it would in a mailbox."""
    return f"{parcel.accepted_us // 1_000_000}.{parcel.message}.{parcel.attempt}"


def _outcome(ordered: Misbehaviour) -> Outcome:
    match ordered.outcome:
        case "taken":
            return Taken(code="sandbox")
        case "permanent":
            return outcomes.Permanent(code=ordered.code)
        case "transient":
            return Transient(code=ordered.code, after_us=ordered.after_us)
        case "rate":
            return outcomes.Rate(code=ordered.code, after_us=ordered.after_us)
        case "recipient":
            return outcomes.Recipient(code=ordered.code)
        case "optout":
            return outcomes.OptOut(code=ordered.code)
        case "config":
            return outcomes.Config(code=ordered.code)
        case "hold":
            return outcomes.Hold(code=ordered.code, after_us=ordered.after_us)
        case "window":
            return outcomes.Window(code=ordered.code)
        case "ambiguous":
            return Ambiguous(code=ordered.code)
        case _:
            assert_never(ordered.outcome)
