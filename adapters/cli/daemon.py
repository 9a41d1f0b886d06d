"""`serve` and `check`: the daemon itself, and the configuration that it would take.

This file answers for arguments, for what is printed once the daemon is ready, and for every start that fails being one
clear line (adapters/daemon.py says which).
"""

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adapters.cli.ending import Ended, misused, sentence
from adapters.cli.options import DATA, Config, Data, Json
from adapters.cli.printing import as_json, aside, line

if TYPE_CHECKING:
    from adapters.config.loading import Config as Configuration
    from adapters.config.loading import Mistaken
    from adapters.config.reading import Mistake
    from adapters.daemon import Running
    from eventstore.postgres.trying import Seen

# What a first message looks like on each channel.
_TRY: Final = {
    "email": '{"channel": "email", "to": "ann@example.com", "content": {"subject": "Hello", "text": "First message"}}',
    "whatsapp": '{"channel": "whatsapp", "to": "+15550100", "content": {"text": "First message"}}',
    "push": '{"channel": "push", "to": "device", "content": {"title": "Hello", "body": "First message"}}',
    "webhook": '{"channel": "webhook", "to": "https://example.com/hook", "content": {"type": "hello", "data": {}}}',
}


def mount(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("serve")(_serve)
    app.command("check")(_check)


def _serve(
    *,
    config: Config = None,
    data: Data = DATA,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT; port 0 takes a free one")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Serves until SIGTERM; SIGHUP reads the configuration again. Log lines go to standard error, as JSON."""
    from adapters.config.loading import Mistaken
    from adapters.daemon import serve
    from adapters.telemetry import LEVELS, Telemetry
    from core.errors import TidingsError

    level = next((level for level in LEVELS if level == log_level), None)
    if level is None:
        raise misused(f"--log-level {log_level} is none of {', '.join(LEVELS)}.")
    load = _loading(config, data, listen)
    telemetry = Telemetry(stream=sys.stderr.buffer, level=level)
    telemetry.adopt_library_logs()
    try:
        serve(load, telemetry, _announce)
    except Mistaken as mistaken:
        raise _refused(mistaken) from None
    except TidingsError as error:
        raise Ended(sentence(error)) from None


def _check(*, config: Config = None, data: Data = DATA, json_: Json = False) -> None:
    """Checks the configuration and shows every mistake at once.

    Reads it as `serve` would, from the file and the environment. Opens nothing, but asks a database whether it answers,
    and who acts on it.
    """
    from adapters.config.loading import Mistaken

    try:
        found = _loading(config, data, None)()
    except Mistaken as mistaken:
        if json_:
            as_json({"mistakes": [_plain(mistake) for mistake in mistaken.mistakes]})
            raise Ended from None
        raise _refused(mistaken) from None
    lanes = [{"name": lane.name, "channel": lane.channel, "provider": lane.provider} for lane in found.settings.lanes]
    daemons = None if isinstance(found.store, Path) else _daemons_on(found.store.url.reveal())
    if json_:
        where = {"listen": str(found.listen), "store": str(found.store)}
        told = None if daemons is None else [_daemon_as_json(daemon) for daemon in daemons]
        as_json({"mistakes": [], "warnings": found.warnings, **where, "lanes": lanes, "daemons": told})
        return
    holds = "" if isinstance(found.store, Path) else ", which is empty" if daemons is None else ", which holds one"
    line(f"{found.file or 'Without a file'}: {len(lanes)} lanes, no mistake.")
    for lane in lanes:
        line(f"  {lane['name']}: {lane['channel']} through {lane['provider']}")
    line(f"It listens on {found.listen}; the log is {found.store}{holds}.")
    if daemons is not None:
        line(_who_acts(daemons))
    for warning in found.warnings:
        aside(f"warning: {warning}")


def _daemons_on(url: str) -> "list[Seen] | None":
    """The daemons on a database, None where it has no log. Ends the command where it does not answer."""
    import anyio

    from core.errors import StoreRefused
    from eventstore.postgres.trying import daemons_on

    try:
        return anyio.run(daemons_on, url)
    except StoreRefused as error:
        raise Ended(sentence(error)) from None


def _who_acts(daemons: "list[Seen]") -> str:
    from adapters.moments import moment

    others = sum(not daemon.acts for daemon in daemons)
    standing = f"{others or 'none'} stand{'' if others > 1 else 's'} by"
    for daemon in daemons:
        if daemon.acts:
            since = f"{moment(daemon.started_us):%Y-%m-%d %H:%M:%S} UTC"
            return (
                f"The daemon in slot {daemon.slot} acts (started {since}, heard of {daemon.silent_s:.0f} s ago), and"
                f" {standing}."
            )
    return f"No daemon acts on it now, and {standing}."


def _daemon_as_json(daemon: "Seen") -> dict[str, object]:
    from adapters.moments import moment

    seen = {"acts": daemon.acts, "slot": daemon.slot, "started": moment(daemon.started_us)}
    return {**seen, "silent_s": round(daemon.silent_s, 3)}


def _loading(file: Path | None, data: Path, listen: str | None) -> "Callable[[], Configuration]":
    from adapters.config import units
    from adapters.config.loading import load

    environ = dict(os.environ)
    if listen is not None:
        try:
            units.listen(listen)
        except units.Unfit as unfit:
            raise misused(f"--listen {listen}: expected {unfit}.") from None
        # An option goes before a variable as a variable goes before the file.
        environ["TIDINGS_SERVER__LISTEN"] = listen
    return lambda: load(file, data=data, environ=environ)


def _announce(running: "Running") -> None:
    try:
        _describe(running)
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads what a start prints, which is no reason to end it. What is left to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _describe(running: "Running") -> None:
    config = running.config
    key = running.admin_key or config.data / "admin.key"
    lanes = ", ".join(f"{lane.name} ({lane.provider})" for lane in config.settings.lanes)
    line(f"Tidings {running.release} takes messages at {running.url}")
    if config.public_url is not None:
        line(f"  for others {config.public_url}")
    line(f"  log        {config.store}")
    if not running.acts:
        line("  stands by  another daemon acts on this log; this one takes in for it, and takes over when it is gone")
    line(f"  lanes      {lanes}")
    if config.sources:
        # Their senders are elsewhere, and call the address that others have for us.
        door = f"{config.public_url or running.url}/hooks"
        line(f"  hooks at   {', '.join(f'{door}/{source.name}' for source in config.sources)}")
    if running.acts or key.exists():
        line(f"  admin key  {key}{' (new)' if running.admin_key else ''}")
    else:
        line(f"  admin key  where the first daemon of this log made it; {key} once it is copied there")
    channel = config.settings.lanes[0].channel
    # Who only takes hooks in has nothing to send.
    line("A first message:" if channel in _TRY else "What has come in:")
    line(f"  {_curl(running.url, key, channel)}")


def _curl(url: str, key: Path, channel: str) -> str:
    authorization = f'-H "Authorization: Bearer $(cat {shlex.quote(str(key))})"'
    if channel not in _TRY:
        return f"curl {url}/v1/messages {authorization}"
    return f"curl {url}/v1/messages {authorization} -H 'Content-Type: application/json' -d {shlex.quote(_TRY[channel])}"


def _refused(mistaken: "Mistaken") -> Ended:
    for mistake in mistaken.mistakes:
        aside(str(mistake))
    count = len(mistaken.mistakes)
    return Ended(f"The configuration has {count} mistake{'s' if count > 1 else ''}.")


def _plain(mistake: "Mistake") -> dict[str, object]:
    from msgspec.structs import asdict

    return asdict(mistake)
