"""The log in one SQLite file, for one daemon."""

from eventstore.sqlite.log import SqliteLog as SqliteLog
