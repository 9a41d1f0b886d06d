"""Answers for following a document from top to bottom as a reader does: save, start, run, compare.

- A block of TOML that is a whole file is saved: under the name that the paragraph before it gives in backticks, else as
  `tidings.toml` or `scenario.toml`.
- A program that has a name is saved under it. Where its reader's application listens, a free port stands for 3000.
- A block that serves (or says `make run`) starts the daemon that everything after it is asked of.
- Any other block of `sh` is run, and must succeed; a command that ends in `# exits with 1` must end so.
- A block of `json` or `text` right behind shows what it prints.
"""

import re
import shutil
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.edges.cli.processes import PATIENCE_S, Served, serving
from tests.edges.documents.configurations import save, save_program
from tests.edges.documents.other_sides import Sides, leading
from tests.edges.documents.pages import ROOT, Block, blocks_of
from tests.edges.documents.rest import Rest
from tests.edges.documents.shapes import Names, compare_json, compare_text
from tests.edges.documents.shells import Shell

_SERVES: Final = re.compile(r"^(?:\$ )?(?:tidings serve(?P<options>[^&#\n]*)|make run)$", re.MULTILINE)
_FAILS: Final = re.compile(r"^(?P<command>.+?)\s*# exits with (?P<status>\d)$", re.MULTILINE)
_STOPS: Final = re.compile(r"^kill \$\(", re.MULTILINE)
_RELOADS: Final = re.compile(r"^kill -HUP ", re.MULTILINE)
_TOOLS: Final = ("curl", "sqlite3", "openssl")
_USUAL: Final = "127.0.0.1:8420"
_FAR_AWAY: Final = "/var/lib/tidings"
_APPLICATION: Final = re.compile(r"\b3000\b")


def tools_missing(file: Path) -> list[str]:
    """What a document calls besides our own program, and this machine does not have."""
    shown = " ".join(block.text for block in blocks_of(file) if block.kind == "sh").split()
    return [tool for tool in _TOOLS if tool in shown and shutil.which(tool) is None]


class Walk:
    """One walk through one document, in a directory of its own."""

    def __init__(self, room: Path, environ: Mapping[str, str], sides: Sides) -> None:
        self._room = room
        self._environ = dict(environ)
        self._sides = sides
        self._names = Names()
        self._served: Served | None = None
        self._rest: Rest | None = None
        self._port = _free_port()
        (room / "scenarios").symlink_to(ROOT / "scenarios")

    def follow(self, file: Path) -> list[Block]:
        """Goes through every block; whatever is not as the document says fails. Answers with those that were run."""
        blocks, done = blocks_of(file), []
        with ExitStack() as stack, Shell(self._room, self._environ) as shell:
            for number, block in enumerate(blocks):
                following = blocks[number + 1] if number + 1 < len(blocks) else None
                if block.kind == "toml":
                    save(block, self._room, self._listening)
                elif block.kind == "python":
                    save_program(block, self._room, self._listening)
                elif block.kind in {"sh", "console"}:
                    self._run(stack, shell, block, following)
                    done.append(block)
        return done

    def _run(self, stack: ExitStack, shell: Shell, block: Block, following: Block | None) -> None:
        serves = _SERVES.search(block.text)
        if serves is None:
            self._compare(following, self._printed(shell, block.text, block.place))
            return
        assert not block.text[serves.end() :].strip(), f"{block.place}: whoever serves comes to no next line"
        self._printed(shell, block.text[: serves.start()], block.place)
        self._serve(stack, shell, (serves["options"] or "").split())

    def _serve(self, stack: ExitStack, shell: Shell, options: list[str]) -> None:
        if self._served is not None:
            assert self._served.stop() == 0, "a daemon that is asked to stop says that all went well"
        data = self._room / "data"
        arguments, leads = [], dict[str, str]()
        for option, value in zip(options[::2], options[1::2], strict=True):
            if option == "--data":
                data = self._room / value.lstrip("/")
            else:
                arguments += [option, str(self._room / value)]
            if option == "--config":
                leads = leading((self._room / value).read_text(), self._sides)
        self._served = stack.enter_context(serving(data, *arguments, environ=self._environ | leads))
        self._rest = Rest(self._served)
        shell.run(f"export TIDINGS_URL={self._served.url}", "the address of a daemon")

    def _printed(self, shell: Shell, text: str, place: str) -> str:
        script = self._listening(self._names.real(text)).replace(".venv/bin/", "")
        script = script.replace(_FAR_AWAY, str(self._room / _FAR_AWAY.lstrip("/")))
        script = _FAILS.sub(r"\g<command> || test $? -eq \g<status>", script)
        if self._served is not None:
            script = script.replace(_USUAL, self._served.url.removeprefix("http://"))
        printed = shell.first_event(script) if "events/stream" in script else shell.run(script, place)
        self._come_to_rest(script)
        return printed

    def _come_to_rest(self, script: str) -> None:
        """Until nothing moves, a signal has been heeded, and a daemon that was told to stop is gone."""
        if self._served is None or self._rest is None:
            return
        if _STOPS.search(script):
            assert self._served.process.wait(PATIENCE_S) == 0, "a daemon that is asked to stop says that all went well"
            self._served = self._rest = None
            return
        if _RELOADS.search(script):
            self._served.notes.wait_for("reloaded")
        self._rest.wait()

    def _listening(self, text: str) -> str:
        """A text with the port on which its reader's application really listens."""
        return _APPLICATION.sub(str(self._port), text)

    def _compare(self, shown: Block | None, printed: str) -> None:
        if shown is not None and shown.kind == "json":
            compare_json(shown.text, printed, self._names, shown.place)
        elif shown is not None and shown.kind == "text":
            compare_text(shown.text, printed, self._names, shown.place)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
