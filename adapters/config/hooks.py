"""Compiles the sources of hooks of a file: each comes to a source for the door, and a lane for its handler.

This file answers for which key belongs to which scheme, and for the lanes that a source tells about. What a scheme's
and a handler's settings must hold is their own business (adapters/hooks/accounts.py,
adapters/channels/forward_settings.py); they are asked here, so that their mistakes are shown with all others.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from adapters.channels.accounts import ProviderSettings
from adapters.channels.forward_settings import ForwardSettings, KeptSettings, is_on_this_machine
from adapters.channels.forward_settings import mistakes as handler_mistakes
from adapters.channels.green_api_settings import GreenApiSettings
from adapters.config.filling import check_ca_file, check_name, given, note
from adapters.config.hidden import Secret
from adapters.config.hook_tables import HooksTable, HookTable, SharedKeyTable
from adapters.config.lanes import Lanes
from adapters.config.policies import Policies
from adapters.config.positions import KeyPath
from adapters.config.reading import Reader, one_of
from adapters.config.tables import LaneTable
from adapters.hooks.accounts import SCHEMES, GreenApiHooks, HmacHooks, HookSettings, TwilioHooks
from adapters.hooks.accounts import mistakes as scheme_mistakes
from adapters.hooks.sources import Source, body_bytes_max_of, provider_of, tells_unasked
from core.policies import Policy
from core.settings import Lane

# Settings whose key in the file is another word.
_KEY_OF: Final = {"url": "forward", "tolerance_us": "tolerance"}
# What no scheme has for itself, or a file says elsewhere.
_OF_EVERYBODY: Final = frozenset({"secrets", "public_url"})


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """The compiled sources, with the lanes of their handlers and the channels (one) that use each policy."""

    sources: tuple[Source, ...]
    lanes: tuple[Lane, ...]
    providers: dict[str, ProviderSettings]
    users: dict[str, set[str]]
    warnings: tuple[str, ...]


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What sources stand among: the lanes as the file has them and as they were compiled, policies, address, data."""

    tables: Mapping[str, LaneTable]
    lanes: Lanes
    policies: Policies
    public_url: str | None
    data: Path


def hooks_of(reader: Reader, raw: object, around: Around) -> Hooks:
    """Every source of the file; one with mistakes is left out, since nothing will be built from it."""
    tables = reader.table(HooksTable, {"hooks": raw}, ()).hooks
    sources: list[Source] = []
    lanes: list[Lane] = []
    providers: dict[str, ProviderSettings] = {}
    users: dict[str, set[str]] = {}
    for name, table in tables.items():
        one = _One(reader, name, table, around)
        if reader.is_broken(one.path):
            continue  # It is no table, which was said.
        one.check_name()
        handler = one.handler()
        policy = one.policy()
        source = one.source()
        if table.policy.preset is not None:
            users.setdefault(table.policy.preset, set()).add("hook")
        if source is not None and reader.sound(one.path):
            provider = "forward" if isinstance(handler, ForwardSettings) else "kept"
            lanes.append(Lane(name=name, channel="hook", provider=provider, policy=policy))
            sources.append(source)
            providers[name] = handler
    warnings = tuple(warning for source in sources for warning in _warnings(source, providers[source.name]))
    return Hooks(sources=tuple(sources), lanes=tuple(lanes), providers=providers, users=users, warnings=warnings)


class _One:
    """One source on its way from its table."""

    def __init__(self, reader: Reader, name: str, table: HookTable, around: Around) -> None:
        self._reader = reader
        self._name = name
        self._table = table
        self._around = around
        self._given = given(table, around.data)
        self.path: KeyPath = ("hooks", name)

    def check_name(self) -> None:
        """Its name stands in paths, and is its lane's."""
        check_name(self._reader, self._name, self.path)
        if self._name in self._around.tables:
            expected = "another name, since a source's handler is a lane of its own"
            self._reader.mistake(self.path, "the name of a lane", expected)

    # -- the handler

    def policy(self) -> Policy:
        """Its lane's policy."""
        policy = self._around.policies.of_lane(self._table.policy, "hook", (*self.path, "policy"))
        timeout_us = self._table.timeout_us
        # One bound in two places: whichever the source itself gives stands, the policy's where it gives neither.
        if isinstance(timeout_us, int) and self._table.policy.timeout_us is UNSET:
            return replace(policy, timeout_us=timeout_us)
        return policy

    def handler(self) -> ForwardSettings | KeptSettings:
        """Where its hooks are handed on to."""
        filled = self._of_struct(ForwardSettings)
        if not isinstance(self._table.forward, str):
            for key in _keys_of(filled):
                expected = "forward beside it, the address of the handler"
                self._reader.mistake((*self.path, key), "a key of a handler", expected)
            return KeptSettings()
        settings = replace(ForwardSettings(url=self._table.forward), **filled)
        note(self._reader, handler_mistakes(settings), self.path, _KEY_OF)
        check_ca_file(self._reader, settings.ca_file, self.path)
        return settings

    # -- the scheme

    def source(self) -> Source | None:
        """What the door is told of it, None where its scheme is not known."""
        table = self._table
        kind = SCHEMES.get(table.scheme)
        if kind is None:
            return None
        settings = self._settings(kind)
        lanes = self._lanes(settings)
        providers = self._around.lanes.providers
        return Source(
            name=self._name,
            tenant=table.tenant,
            settings=settings,
            body_bytes_max=_or(table.body_bytes_max, body_bytes_max_of(kind)),
            order_by=table.order_by if isinstance(table.order_by, str) else None,
            lanes=lanes,
            accounts={
                lane: green.instance for lane in lanes if isinstance(green := providers.get(lane), GreenApiSettings)
            },
        )

    def _settings(self, kind: type[HookSettings]) -> HookSettings:
        own = self._of_struct(kind)
        self._refuse_others()
        # What has to be there is blank where it is missing, which the settings themselves find.
        blank: dict[str, object] = {"secrets": ()} | ({"header": ""} if kind is HmacHooks else {})
        if "shared_keys" in own:
            own["shared_keys"] = tuple(_shared_key(key) for key in self._table.shared_keys or ())
        if kind is TwilioHooks:
            own["public_url"] = self._public_url()
        settings: HookSettings = msgspec.convert(blank | own, kind)
        missing = set(kind.__struct_fields__) - self._given.keys()
        note(self._reader, scheme_mistakes(settings), self.path, _KEY_OF, missing=missing)
        return settings

    def _public_url(self) -> str:
        if self._around.public_url is not None:
            return self._around.public_url
        expected = "public_url in [server], the address that Twilio calls: it is part of what Twilio signs"
        self._reader.mistake((*self.path, "scheme"), '"twilio" without a public address', expected)
        return "https://tidings.example.com"

    def _refuse_others(self) -> None:
        """Notes keys that belong to other schemes."""
        scheme = self._table.scheme
        own = set(SCHEMES[scheme].__struct_fields__)
        of_others = {name for kind in SCHEMES.values() for name in kind.__struct_fields__} - own
        for key in _keys_of(name for name in self._given if name in of_others):
            allowed = ", ".join(_keys_of(name for name in own if name not in _OF_EVERYBODY)) or "none of its own"
            self._reader.mistake((*self.path, key), f"a key that {scheme} does not have", allowed)

    def _of_struct(self, kind: type[msgspec.Struct]) -> dict[str, object]:
        return {name: value for name, value in self._given.items() if name in kind.__struct_fields__}

    # -- the lanes that it tells about

    def _lanes(self, settings: HookSettings) -> tuple[str, ...]:
        kind, named = type(settings), self._table.lanes
        provider = provider_of(kind)
        fitting = [name for name, lane in self._around.tables.items() if lane.provider == provider]
        if not isinstance(named, tuple):
            return self._unasked(settings, fitting) if tells_unasked(kind) else ()
        for index, name in enumerate(named):
            if name not in fitting:
                seen = f'"{name}", which is no lane of {provider}' if provider else f'"{name}"'
                none = f"none, since hooks of {self._table.scheme} tell about no messages"
                self._reader.mistake((*self.path, "lanes", index), seen, one_of(name, fitting) if provider else none)
        return named

    def _unasked(self, settings: HookSettings, fitting: list[str]) -> tuple[str, ...]:
        """The lanes of a source that names none: all of its provider, or those of its instances."""
        wanted = settings.instances if isinstance(settings, GreenApiHooks) else ()
        providers = self._around.lanes.providers
        return tuple(name for name in fitting if not wanted or getattr(providers.get(name), "instance", "") in wanted)


def _warnings(source: Source, handler: ProviderSettings) -> Iterator[str]:
    if isinstance(handler, ForwardSettings):
        if not handler.signing_secrets and not is_on_this_machine(handler.url):
            words = "signs nothing: its handler cannot tell our requests from forged ones. Give it signing_secrets."
            yield f"Source {source.name} {words}"
    elif not source.lanes:
        yield f"Source {source.name} has no handler and tells about no lane: its hooks are kept, and nothing follows."


def _shared_key(table: SharedKeyTable) -> dict[str, str]:
    return {"id": table.id, "secret": table.secret.reveal() if isinstance(table.secret, Secret) else ""}


def _or(given_value: int | UnsetType, default: int) -> int:
    return default if given_value is UNSET else given_value


def _keys_of(names: Iterable[str]) -> list[str]:
    """The keys in the file behind attributes, in the order of the table."""
    wanted = set(names)
    return [one.encode_name for one in msgspec.structs.fields(HookTable) if one.name in wanted]
