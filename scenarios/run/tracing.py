"""A whole log as lines of JSON: for people with questions, and to compare two runs byte for byte."""

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec

from scenarios.laws.evidence import Evidence


def trace(evidence: Evidence) -> Iterator[bytes]:
    """Every event in the order of arrival, one line each; bytes are in base 64."""
    for entry in evidence.events:
        story = evidence.chronicle.stories.get(entry.stream)
        line = {
            "at_us": entry.at_us,
            "shard": entry.shard,
            "seq": entry.seq,
            "stream": entry.stream,
            "version": entry.version,
            "message": story.key if story is not None else None,
            "tenant": entry.tenant,
            "type": type(entry.event).__name__,
            "event": _plain(entry.event),
            "link": entry.link.hex(),
        }
        yield msgspec.json.encode(line) + b"\n"


def _plain(value: object) -> object:
    match value:
        case msgspec.Struct():
            return {name: _plain(part) for name, part in msgspec.structs.asdict(value).items()} | _tag(value)
        case bytes():
            return base64.b64encode(value).decode()
        case tuple():
            return [_plain(part) for part in value]
        case _:
            return value


def _tag(value: msgspec.Struct) -> dict[str, object]:
    tag = value.__struct_config__.tag
    return {} if tag is None else {"is": tag}


def write(evidence: Evidence, out: Path) -> None:
    """Writes the trace of a run to a file."""
    with out.open("wb") as file:
        file.writelines(trace(evidence))
