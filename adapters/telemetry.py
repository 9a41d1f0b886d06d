"""What the daemon says while it works: JSON log lines and Prometheus figures.

This file answers for the Witness port. It must never stop anybody: a closed terminal or a full disk loses lines, not
messages. Notes carry ids and codes only; ids are written as they read outside.
"""

import logging
from collections.abc import Mapping, MutableMapping
from typing import BinaryIO, Final, Literal

import msgspec
import structlog
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from adapters.clock import wall_us
from adapters.moments import moment
from adapters.note_figures import NoteFigures
from core.ids import Prefix, encode, kind_of

Level = Literal["debug", "info", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "warning", "error")

# What needs a person must stand out; the rest is information.
_LEVEL_OF: Final[Mapping[str, Level]] = {
    "lane_missing": "warning",
    "left_open": "warning",
    "begin_refused": "warning",
    "content_refused": "warning",
    "send_overdue": "error",
    "conversation_parked": "error",
    "device_parked": "error",
    "sweep_refused": "warning",
    "redrive_parked": "error",
    "redrive_refused": "warning",
    "plan_parked": "error",
    "plan_refused": "warning",
    "windows_refused": "warning",
    "page_refused": "warning",
    "record_again": "warning",
    "send_bug": "error",
    "shadow_unrecorded": "warning",
    "stop_unrecorded": "warning",
    "zone_unknown": "warning",
    "hook_refused": "debug",
    "news_unheeded": "warning",
    "inquiry_refused": "warning",
    "ending_parked": "error",
    "endings_refused": "warning",
    "failover_parked": "error",
    "failover_refused": "warning",
    "key_parked": "error",
    "lane_parked": "error",
    "lane_unread": "warning",
    "fallback_parked": "error",
    "fallback_refused": "warning",
    "lane_alert": "warning",
    "look_up_bug": "error",
    "look_up_corrupt": "error",
    "look_up_overdue": "warning",
    "stray_parked": "error",
    "strays_refused": "warning",
    "request_failed": "error",
    "call_unread": "warning",
    "send_withheld": "warning",
    "erasure_parked": "error",
    "sys_parked": "error",
    "erasures_refused": "warning",
    "inbox_refused": "warning",
    "inbox_parked": "error",
    "interrupted_refused": "warning",
    "log_unread": "warning",
    "months_refused": "warning",
}
_LANE_TROUBLE: Final = {"LanePaused", "LaneThrottled", "BreakerOpened"}
_ID_OF: Final[Mapping[str, Prefix]] = {
    "conversation": "conv",
    "key": "key",
    "job": "redrive",
    "erasure": "erasure",
    "plan": "plan",
    "device": "device",
}

Value = str | int | float | None


class Telemetry:
    """Log lines to a stream and figures into a registry; the Witness of everything that has something to say."""

    def __init__(self, *, stream: BinaryIO, level: Level = "info") -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._figures = NoteFigures()
        self.registry.register(self._figures)
        self._least = LEVELS.index(level)
        self._log = structlog.wrap_logger(
            _Lines(stream),
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                _stamped,
                _as_json,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            cache_logger_on_first_use=True,
        )

    def note(self, name: str, /, **values: Value) -> None:
        """One thing that happened: a line in the log and a step of a counter."""
        self._figures.count(name, values)
        level = _level_of(name, values)
        # Asked here and not in structlog: most notes are of attempts that went well, and nobody reads those.
        if LEVELS.index(level) >= self._least:
            channel = str(values.get("channel", ""))
            told = {key: _shown(key, value, channel) for key, value in values.items() if value is not None}
            self.say(level, name, told)

    def say(self, level: Level, name: str, values: Mapping[str, object]) -> None:
        """A line in the log that counts nowhere."""
        getattr(self._log, level)(name, values=values)

    def adopt_library_logs(self) -> None:
        """Has what libraries log by themselves (aiohttp's server, mostly) written likewise, from warnings upwards."""
        logging.basicConfig(handlers=[_FromLibraries(self)], level=logging.WARNING, force=True)


class _Lines:
    """The logger underneath: writes whole lines, and forgets them where they cannot be written."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def msg(self, line: bytes) -> None:
        try:
            self._stream.write(line + b"\n")
            self._stream.flush()
        except (OSError, ValueError):
            # The other end of the pipe is gone, or the disk is full. Nobody may depend on being listened to.
            pass

    debug = info = warning = error = msg


class _FromLibraries(logging.Handler):
    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._telemetry = telemetry

    def emit(self, record: logging.LogRecord) -> None:
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        fault = {"fault": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            # Anybody may send what is no HTTP. It is no trouble of ours, and its text quotes headers, keys among them.
            level, fault = "debug", {"fault": type(record.exc_info[1]).__name__}
        self._telemetry.say(level, "library", {"logger": record.name, "said": record.getMessage(), **fault})


def _level_of(name: str, values: Mapping[str, Value]) -> Level:
    if name == "attempt":
        # One line for each message that goes out well would bury the rest at thousands a second.
        return "debug" if values.get("outcome") == "taken" else "info"
    if name == "lane":
        return "warning" if values.get("event") in _LANE_TROUBLE else "info"
    return _LEVEL_OF.get(name, "info")


def _shown(key: str, value: Value, channel: str) -> Value:
    prefix = kind_of(channel) if key == "message" else _ID_OF.get(key)
    return encode(prefix, value) if prefix is not None and isinstance(value, int) else value


def _stamped(_logger: object, _method: str, entry: MutableMapping[str, object]) -> MutableMapping[str, object]:
    # When, how grave and what come first, for whoever reads the lines raw.
    values = entry.pop("values")
    assert isinstance(values, Mapping), f"the values of a line are a mapping, not {values!r}"
    first = {"at": moment(wall_us()), "level": entry.pop("level"), "note": entry.pop("event")}
    assert not values.keys() & first.keys(), f"a value is called like what every line begins with: {sorted(values)}"
    return {**first, **entry, **values}


def _as_json(_logger: object, _method: str, event: MutableMapping[str, object]) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
