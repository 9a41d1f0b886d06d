"""Answers for blocks of TOML: whether one is a configuration or a scenario, and making a whole file of a part.

A part of a configuration lacks lanes, and a part of a scenario lacks a name; both are given the plainest there are.
"""

import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from tests.edges.channels.fcm_server import account_text
from tests.edges.documents.other_sides import KEYS
from tests.edges.documents.pages import Block

# Good as a password and as a signing secret alike.
SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
_OF_SCENARIOS: Final = {
    *("name", "schedule", "crash", "disk"),
    *("answered", "arrive", "provider", "fault", "operator", "expect"),
}
_LANE: Final = '\n[lanes.mail]\nchannel = "email"\nprovider = "sandbox"\n'
_WORLD: Final = 'name = "A part"\nwhy = "It stands in a document."\nstart = 2026-01-30T08:00:00Z\nruns_for = "6h"\n'
_ARRIVE: Final = (
    '\n[[arrive]]\nname = "reminders"\ncount = 9\nchannel = "whatsapp"\nto = "+97250{n:07}"\ntenant = "org1"\n'
)
_NAMED: Final = re.compile(r"`([\w/-]+\.(?:toml|py))`[^`\n]*(?:\n[^\n]+)*\n+$")
_ENVIRONMENT: Final = re.compile(r'env = "(\w+)"')
_FILES: Final = re.compile(r'(?:file|ca_file) = "([^"]+)"')


def is_scenario(block: Block) -> bool:
    """Whether it is one, or a part of one."""
    return bool(tomllib.loads(block.text).keys() & _OF_SCENARIOS)


def whole(block: Block) -> str:
    """The text of a file that can be read."""
    tree = tomllib.loads(block.text)
    if not is_scenario(block):
        return block.text if tree.keys() & {"lanes", "hooks"} else block.text + _LANE
    text = block.text if "name" in tree else _WORLD + block.text
    return text if "arrive" in tree else text + _ARRIVE


def save(block: Block, room: Path, told: Callable[[str], str]) -> None:
    """Keeps a whole file where the document says, or where commands look for it; parts are not kept.

    `told` puts what is real in the place of what is shown.
    """
    if whole(block) != block.text:
        return
    name = _name(block) or ("scenario.toml" if is_scenario(block) else "tidings.toml")
    (room / name).write_text(told(block.text))
    prepare(room / "data", [block])


def save_program(block: Block, room: Path, told: Callable[[str], str]) -> None:
    """Keeps a program under the name that the document gives it; one without a name is not kept."""
    if name := _name(block):
        (room / name).write_text(told(block.text))


def _name(block: Block) -> str | None:
    before = "".join(block.file.read_text().splitlines(keepends=True)[: block.line - 1])
    named = _NAMED.search(before)
    return named[1] if named else None


def prepare(data: Path, blocks: Iterable[Block]) -> None:
    """Puts the files in place that configurations name: secrets, certificates and service accounts."""
    for block in blocks:
        for name in _FILES.findall(block.text):
            data.mkdir(parents=True, exist_ok=True)
            (data / name).write_text(account_text() if name.endswith(".json") else f"{SECRET}\n")


def environment(blocks: Iterable[Block]) -> dict[str, str]:
    """The variables that configurations take secrets from: of providers those that their other side here knows."""
    names = {name for block in blocks for name in _ENVIRONMENT.findall(block.text)}
    return dict.fromkeys(names, SECRET) | {name: KEYS[name] for name in names & KEYS.keys()}
