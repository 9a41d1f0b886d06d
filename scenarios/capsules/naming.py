"""What each message of a stretch is called in its capsule, and which messages are asked for in it.

This file answers for names that depend on the stretch alone: whoever cuts it again finds the same message under the
same name, so that a re-run can be held against the log. What follows by itself (what takes a message's place on another
channel) must never be asked for as well.
"""

from collections import Counter

import msgspec

from core import events as e
from scenarios.capsules.stretch import Stretch, Tale
from scenarios.world.naming import after


class Cast(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of a capsule. `names` are by stream, in the order of the stretch; `asked` are those asked for.

    `replaced` leads from a message to what took its place; `left_out` counts what a capsule cannot tell, by sentence.
    """

    names: dict[int, str]
    tales: dict[int, Tale]
    asked: tuple[Tale, ...]
    replaced: dict[int, Tale]
    left_out: Counter[str]

    def arrival(self, tale: Tale) -> str:
        """The name of the table that asks for a message."""
        return self.names[tale.stream].rpartition("/")[0]


def cast_of(stretch: Stretch) -> Cast:
    """Who is in a stretch."""
    tales = {tale.stream: tale for tale in stretch.tales}
    left_out: Counter[str] = Counter()
    users = {
        tales[tale.cause].stream
        for tale in stretch.tales
        if tale.accepted.channel == "push" and tale.cause in tales and tales[tale.cause].accepted.channel == "push"
    }
    for stream in users:
        left_out["pushes to users: what they came to for each device is asked for instead"] += 1
        del tales[stream]
    replaced = {
        tale.stream: tales[entry.event.message]
        for tale in tales.values()
        for entry in tale.entries
        if isinstance(entry.event, e.FallbackStarted) and entry.event.message in tales
    }
    following = {tale.stream for tale in replaced.values()}
    asked = tuple(tale for tale in tales.values() if tale.stream not in following)
    width = len(str(len(asked)))
    names = {tale.stream: f"m{number:0{width}}/1" for number, tale in enumerate(asked, start=1)}
    for tale in asked:
        name, current = names[tale.stream], tale
        while current.stream in replaced:
            name, current = after(name), replaced[current.stream]
            names[current.stream] = name
    return Cast(names=names, tales=tales, asked=asked, replaced=replaced, left_out=left_out)
