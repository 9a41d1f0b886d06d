"""Every command of `tidings` under one name, and how each ends.

This file answers for mounting commands and for exit statuses: 0 done, 1 what was asked for does not hold, 2 misuse. It
must never show a stack trace for what a person can mend.
"""

import os
import sys
from typing import Annotated, Final

import typer

from adapters.cli import (
    checking,
    copying,
    daemon,
    devices,
    explain,
    keys,
    lanes,
    log,
    logfile,
    messages,
    plans,
    redrives,
    sealing,
    sending,
    shadow,
    subjects,
)
from adapters.cli.ending import DOES_NOT_HOLD, Ended
from adapters.cli.printing import aside, line

_OF_MESSAGES: Final = (daemon, sending, messages, explain, plans)
# Those that read the log itself.
_OF_THE_LOG: Final = (logfile, checking, sealing, copying)


def build() -> typer.Typer:
    """All commands but those that simulate."""
    app = typer.Typer(
        name="tidings",
        help="Takes charge of messages until they are delivered or somebody has decided otherwise.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # drawing the help in boxes takes longer than all the rest
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_about)
    for module in (*_OF_MESSAGES, log, redrives, lanes, shadow, devices, subjects, keys, *_OF_THE_LOG):
        module.mount(app)
    return app


def run(app: typer.Typer) -> None:
    """Runs one command and ends the process with its status."""
    _open_standard_streams()
    try:
        _run_to_the_last_byte(app)
    except Ended as ended:
        if ended.words:
            aside(f"tidings: {ended.words}")
        sys.exit(ended.status)
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        _print_nothing_more()
        sys.exit(0)
    except OSError as error:
        # A full disk behind our output, a directory that nobody may enter: surroundings, which a person can mend.
        _print_nothing_more()
        where = f"{error.filename}: " if error.filename else ""
        aside(f"tidings: {where}{error.strerror or error}.")
        sys.exit(DOES_NOT_HOLD)
    except KeyboardInterrupt:
        sys.exit(130)


def _run_to_the_last_byte(app: typer.Typer) -> None:
    try:
        app()
    finally:
        # What Python flushes at its own end fails with a status of Python's.
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            # The command has come to its end, and what it came to stands whether or not anybody reads it.
            _print_nothing_more()


def _print_nothing_more() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_standard_streams() -> None:
    # Where a caller closed one of them, the next file or socket would get its number, and be printed into.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def _print_release(asked: bool) -> None:  # noqa: FBT001  # typer calls it so.
    if asked:
        from importlib.metadata import version

        line(version("tidings"))
        raise typer.Exit


def _about(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the release", is_eager=True, callback=_print_release)
    ] = False,
) -> None:
    pass
