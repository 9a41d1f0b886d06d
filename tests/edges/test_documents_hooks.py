"""Answers for docs/hooks.md telling of hooks what the code does: keys, defaults, schemes, headers, answers."""

from typing import Final

import msgspec
import pytest

from adapters.channels.forward_settings import ForwardSettings
from adapters.clock import SystemClock
from adapters.config.hook_tables import HookTable
from adapters.hooks.accounts import SCHEMES, HookSettings, TwilioHooks
from adapters.hooks.sources import BODY_BYTES_MOST, Source, body_bytes_max_of
from adapters.hooks.taking import items_in, submission_of
from core.content_shapes import HookContent
from core.policies import PRESETS
from tests.edges.channels.endpoints import Endpoint, answers
from tests.edges.channels.handlers import SIGNING_SECRET, handler_at, hook_of
from tests.edges.channels.parcels import HandOver
from tests.edges.documents.pages import ROOT, codes_in, table_under
from tests.edges.documents.rendering import written
from tests.edges.hooks.posts import post

HOOKS: Final = ROOT / "docs" / "hooks.md"


def settings_of(scheme: str) -> HookSettings:
    """Settings of a scheme whose headers bear the names of their keys."""
    kind = SCHEMES[scheme]
    named: dict[str, object] = {"secrets": ("s",), "header": "header", "id_header": "id_header"}
    known = {name: value for name, value in named.items() if name in kind.__struct_fields__}
    if kind is TwilioHooks:
        known["public_url"] = "https://a.example"
    settings: HookSettings = msgspec.convert(known, kind)
    return settings


def test_every_key_of_a_source_is_told_with_its_default() -> None:
    """The table has each key of `[hooks.NAME]` in the order of the code, and the defaults that the code has."""
    told = {key: ", ".join(codes_in(row[1])) for row in table_under(HOOKS, "Sources") for key in codes_in(row[0])}
    fields = msgspec.structs.fields(HookTable)
    assert set(told) == {field.encode_name for field in fields}
    handler = ForwardSettings(url="https://a.example/")
    defaults: dict[str, object] = {"tenant": HookTable().tenant, "policy": PRESETS["hook"].name}
    for field in fields:
        owners = [handler, *(settings_of(scheme) for scheme in SCHEMES)]
        value = next((getattr(one, field.name) for one in owners if field.name in one.__struct_fields__), None)
        value = defaults.get(field.name, value)
        if told[field.encode_name]:
            assert told[field.encode_name] == written(field.name, value), field.encode_name


def test_the_bounds_of_bodies_are_told() -> None:
    """What each sender's largest body is, and what no source may go beyond."""
    [row] = [row for row in table_under(HOOKS, "Sources") if "`body_max`" in row[0]]
    bounds = [body_bytes_max_of(SCHEMES[scheme]) for scheme in ("stripe", "meta", "github")]
    assert codes_in(row[2]) == [f"{bytes_max >> 20}MiB" for bytes_max in (*bounds, BODY_BYTES_MOST)]


def test_every_scheme_is_told_with_the_headers_that_go_along() -> None:
    """Each scheme stands in the table, in the order of the code, with just the headers that a handler is given."""
    rows = table_under(HOOKS, "Schemes")
    assert [codes_in(row[0])[0] for row in rows] == list(SCHEMES)
    for row in rows:
        scheme = codes_in(row[0])[0]
        everything = [code for other in rows for code in codes_in(other[4])]
        source = Source(name="x", tenant="t", settings=settings_of(scheme), body_bytes_max=1)
        hook = post(b"", [(name, "v") for name in dict.fromkeys(everything)])
        [item] = items_in(source, hook)
        content = msgspec.json.decode(submission_of(source, hook, item, trace="").content, type=HookContent)
        assert set(codes_in(row[4])) == content.headers.keys(), scheme


@pytest.mark.anyio
async def test_every_header_of_ours_is_told() -> None:
    """What a handler is sent besides what came in, and what HTTP itself needs, stands in the table."""
    clock = SystemClock(floor_us=0)
    async with (
        Endpoint(answers(200)) as endpoint,
        handler_at(clock, endpoint.url(), signing_secrets=(SIGNING_SECRET,)) as channel,
    ):
        await channel.send(hook_of(clock, headers={"traceparent": "00-1-1-01"}, kind="k"), HandOver())
    of_http = {"host", "user-agent", "accept", "accept-encoding", "content-length", "content-type"}
    told = {code.lower() for row in table_under(HOOKS, "What a handler sees") for code in codes_in(row[0])}
    assert told == endpoint.received[0].headers.keys() - of_http
