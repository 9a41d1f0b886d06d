"""The tables of the file: made in a new one, and brought up to date in one of an older release.

This file answers for a file coming to the same tables on either way. It must never leave one between two versions.
"""

import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from core.events import MessageAccepted
from eventstore.codec import decode

SCHEMA_VERSION: Final = 3
# "TIDG", in the file's header: tells our files from those of other programs.
APPLICATION_ID: Final = 0x54494447

_ROOM: Final = Path(__file__).parent.parent / "schema"
_VERSION: Final = """
SELECT ifnull(max(value), 0) FROM meta WHERE name = 'schema_version' AND typeof(value) = 'integer'"""


def create(connection: sqlite3.Connection) -> None:
    """Makes the tables of a new log, in one transaction."""
    schema = (_ROOM / "sqlite.sql").read_text(encoding="utf-8")
    connection.executescript(f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; {schema} COMMIT;")


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of a file; 0 where it names none."""
    return int(connection.execute(_VERSION).fetchone()[0])


def upgrade(connection: sqlite3.Connection) -> None:
    """Brings an older file to this release's schema, in one transaction: it stays as it was where that fails."""
    steps = [
        (_ROOM / f"sqlite_from_{version}.sql").read_text(encoding="utf-8")
        for version in range(version_of(connection), SCHEMA_VERSION)
    ]
    connection.create_function("expires_in", 2, _expires_in, deterministic=True)
    connection.executescript(f"BEGIN IMMEDIATE; {''.join(steps)} COMMIT;")


def _expires_in(schema_version: int, body: bytes) -> int | None:
    """When a message expires, as its first event says; None too where that makes no sense, which a check will say."""
    try:
        event = decode(MessageAccepted.__name__, schema_version, body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return event.expires_us if isinstance(event, MessageAccepted) else None
