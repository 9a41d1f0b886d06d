"""From a file and the environment to everything that the daemon is told, or to every mistake at once.

This file answers for the order of reading and for what a configuration as a whole must hold. It must never open what
a configuration names, nor keep a secret anywhere but in the value that its user needs.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from adapters.channels.accounts import ProviderSettings
from adapters.channels.networks import is_loopback
from adapters.config import store
from adapters.config.hidden import Secret
from adapters.config.hooks import Around, hooks_of
from adapters.config.lanes import lanes_of
from adapters.config.overrides import near_misses, overridden
from adapters.config.policies import Policies
from adapters.config.positions import KeyPath, lines_of
from adapters.config.providers import CHANNELS
from adapters.config.reading import Mistake, Reader, shown
from adapters.config.tables import BoundsTable, FileTable, ServerTable, StoreTable
from adapters.config.units import Listen, shown_span
from adapters.hooks.accounts import SCHEMES
from adapters.hooks.sources import Source, provider_of
from core.errors import TidingsError
from core.policies import SECOND_US
from core.settings import Bounds, Lane, Settings

_SYNTAX: Final = re.compile(r"(?P<words>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)", re.DOTALL)
# Closing files and connections takes the rest of the 10 s that supervisors commonly wait.
_STOP_MOST_US: Final = 8 * SECOND_US
# HMAC-SHA256 gains nothing from a longer key and loses by a shorter one (RFC 2104, section 3).
_INSTALLATION_KEY: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a file and the environment say.

    `providers` are by lane, the handlers of `sources` among them; without an `installation_key` it lies beside the
    store; `warnings` are whole sentences for whoever starts the daemon.
    """

    file: Path | None
    data: Path
    listen: Listen
    public_url: str | None
    store: store.Place
    installation_key: Secret | None
    body_bytes_max: int
    settings: Settings
    providers: dict[str, ProviderSettings]
    sources: tuple[Source, ...]
    warnings: tuple[str, ...]


class Mistaken(TidingsError):
    """The configuration cannot be used: every mistake in it, in the order of the lines."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


def load(file: Path | None, *, data: Path, environ: Mapping[str, str]) -> Config:
    """The configuration in `file` (None: there is none) under `environ`; raises Mistaken."""
    text = "" if file is None else text_of(file)
    tree = parsed(text, file)
    lines = lines_of(text)
    tree, variables = overridden(tree, environ)
    if file is None and "lanes" not in tree:
        tree["lanes"] = {channel: {"channel": channel, "provider": "sandbox"} for channel in CHANNELS}
    where = "the environment" if file is None else str(file)
    reader = Reader(file=where, lines=lines, variables=variables, environ=environ, base=data)
    config = _compiled(reader, tree, file, data)
    if reader.mistakes:
        raise Mistaken(reader.ordered())
    missed = near_misses(environ, {"server": ServerTable, "store": StoreTable, "bounds": BoundsTable})
    return msgspec.structs.replace(config, warnings=(*missed, *config.warnings))


def text_of(file: Path) -> str:
    """What a file says; raises Mistaken where it cannot be read."""
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise _mistaken(file, None, f"cannot be read ({error.strerror})", "a configuration file") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _mistaken(file, line, f"a byte {error.object[error.start]:#04x} that is no UTF-8", "UTF-8") from None


def parsed(text: str, file: Path | None) -> dict[str, object]:
    """The tree of a TOML document; raises Mistaken with the line where it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX.fullmatch(str(error))
        words = found["words"] if found else str(error)
        last = text.count("\n") + 1
        line = int(found["line"]) if found and found["line"] else last
        raise _mistaken(file, line, words, "TOML 1.0") from None
    except RecursionError:
        raise _mistaken(file, None, "nested too deeply", "tables within a few tables") from None


def _mistaken(file: Path | None, line: int | None, seen: str, expected: str) -> Mistaken:
    return Mistaken([Mistake(where=str(file), line=line, at="the file", seen=seen, expected=expected)])


def _compiled(reader: Reader, tree: Mapping[str, object], file: Path | None, data: Path) -> Config:
    whole = reader.table(FileTable, tree, ())
    bounds = msgspec.structs.asdict(reader.table(BoundsTable, whole.bounds, ("bounds",)))
    body_bytes_max = bounds.pop("body_bytes_max")
    if bounds["stop_within_us"] > _STOP_MOST_US:
        expected = f"at most {shown_span(_STOP_MOST_US)}, since a stopped daemon is gone within 10 s"
        reader.mistake(("bounds", "stop_within"), shown_span(bounds["stop_within_us"]), expected)
    policies = Policies(reader, whole.policies)
    found = lanes_of(reader, whole.lanes, policies, data, has_hooks=bool(whole.hooks))
    around = Around(tables=whole.lanes, lanes=found, policies=policies, public_url=whole.server.public_url, data=data)
    hooks = hooks_of(reader, whole.hooks, around)
    lanes = (*found.lanes, *hooks.lanes)
    users = {name: found.users.get(name, set()) | hooks.users.get(name, set()) for name in found.users | hooks.users}
    nameable, indefinite = policies.for_messages(users, {lane.channel for lane in found.lanes or lanes})
    place = _store(reader, whole.store, data)
    warnings = [
        *_of_listening(whole.server.listen),
        *(words for words in [store.exposure(place)] if words is not None),
        *found.warnings,
        *hooks.warnings,
        *_of_receipts(found.lanes, hooks.sources),
        *(f"Policy {name} extends its channel's preset and there are several channels, so no message can name it."
          for name in indefinite if name in whole.policies),
    ]  # fmt: skip  # One line a source of warnings.
    return Config(
        file=file,
        data=data,
        listen=whole.server.listen,
        public_url=whole.server.public_url,
        store=place,
        installation_key=whole.store.installation_key,
        body_bytes_max=body_bytes_max,
        settings=Settings(
            lanes=lanes,
            policies=nameable,
            bounds=Bounds(**bounds, dedup_for_us=whole.store.dedup_for_us),
        ),
        providers=found.providers | hooks.providers,
        sources=hooks.sources,
        warnings=tuple(warnings),
    )


def _store(reader: Reader, table: StoreTable, data: Path) -> store.Place:
    path: KeyPath = ("store", "installation_key")
    key = table.installation_key
    if key is not None and _INSTALLATION_KEY.fullmatch(key.reveal()) is None:
        reader.mistake(path, "a text of another form", "64 hexadecimal digits, such as `openssl rand -hex 32` prints")
    default = data / store.DEFAULT_NAME
    if table.url is None:
        return default
    text = table.url.reveal()
    found = store.place_of(text, data)
    if found is None:
        # What is wrong with a file's name is seen best in it; anything else may be a password.
        is_harmless = text.startswith("sqlite:") or not set(text) & set(":@=")
        reader.mistake(("store", "url"), shown(text) if is_harmless else "an address that is not shown", store.EXPECTED)
    return found or default


def _of_receipts(lanes: Iterable[Lane], sources: Iterable[Source]) -> Iterator[str]:
    told_about = {name for source in sources for name in source.lanes}
    for lane in lanes:
        if lane.has_receipts and lane.name not in told_about:
            scheme = next(name for name, kind in SCHEMES.items() if provider_of(kind) == lane.provider)
            yield (
                f"Lane {lane.name} never hears what became of a message: no hooks of {lane.provider} tell about it. Add"
                f' a table to [hooks], with scheme = "{scheme}" and lanes = ["{lane.name}"].'
            )


def _of_listening(listen: Listen) -> list[str]:
    return [] if is_loopback(listen.host) else [
        f"Listening on {listen}, beyond this machine, without encryption: put a proxy with TLS in front of it."
    ]  # fmt: skip  # One condition, one sentence.
