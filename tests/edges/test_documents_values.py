"""Answers for every table of the documents naming just what there is, with the values that it has."""

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

import msgspec
import pytest
from prometheus_client import generate_latest

from adapters.channels.accounts import ProviderSettings, SandboxSettings, SmtpSettings, WebhookSettings
from adapters.channels.fcm_settings import FcmSettings
from adapters.channels.green_api_settings import GreenApiSettings
from adapters.channels.http_mail_settings import ResendSettings, SendGridSettings
from adapters.channels.whatsapp_cloud_settings import WhatsAppCloudSettings
from adapters.config.loading import Config, load
from adapters.config.providers import (
    SERVES,
    FcmTable,
    GreenApiTable,
    ResendTable,
    SandboxTable,
    SendGridTable,
    SmtpTable,
    WebhookTable,
    WhatsAppCloudTable,
)
from adapters.config.tables import BoundsTable, LimitsTable, PolicyTable, ServerTable, StoreTable
from adapters.telemetry import Telemetry
from adapters.web.gauges import acting_figures
from adapters.web.hook_figures import HookFigures
from adapters.web.problems import KINDS
from adapters.web.traffic import Traffic
from core.content_shapes import CONTENTS
from core.contents import MessageRequest
from core.outcomes import OutcomeName
from core.policies import PRESETS, Limits, Policy, Schedule
from core.settings import Bounds
from core.views import ROLES, ShownStatus
from scenarios.file.answers import OUTCOMES
from scenarios.file.selecting import Chosen
from scenarios.file.sides import Fault, Peer, Provider, ReceiptsTable
from scenarios.file.tables import ACTIONS, COUNTED, MEASURED, Arrive, FileTable, HookTable
from scenarios.file.wishes import Device, Plan
from scenarios.laws.registry import LAWS
from tests.edges.documents.pages import ROOT, codes_in, list_under, table_under
from tests.edges.documents.rendering import written

CONFIGURATION: Final = ROOT / "docs" / "configuration.md"
DELIVERY: Final = ROOT / "docs" / "delivery.md"
MESSAGES: Final = ROOT / "docs" / "messages.md"
OPERATING: Final = ROOT / "docs" / "operating.md"
SCENARIOS: Final = ROOT / "docs" / "scenarios.md"

_ROOMS: Final = ("actors", "adapters", "core", "eventstore")


def _codes(rows: list[list[str]], column: int = 0) -> list[str]:
    return [code for row in rows for code in codes_in(row[column])]


def _keys(kind: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def _defaults(file: Path, heading: str) -> dict[str, str]:
    """What a table of keys says in its second column; several keys in one row share it."""
    return {key: ", ".join(codes_in(row[1])) for row in table_under(file, heading) for key in codes_in(row[0])}


def test_every_bound_is_told_with_its_default() -> None:
    """The table has each key of `[bounds]`, in the order of the code, and no other."""
    told = _defaults(CONFIGURATION, "Bounds")
    defaults = msgspec.structs.asdict(BoundsTable())
    fields = msgspec.structs.fields(BoundsTable)
    assert told == {field.encode_name: written(field.name, defaults[field.name]) for field in fields}


def test_the_keys_of_server_and_store_are_told() -> None:
    """Each key of the two tables is there; where it has a default without a file, that is it."""
    told = _defaults(CONFIGURATION, "Server and store")
    assert list(told) == [f"server.{key}" for key in _keys(ServerTable)] + [f"store.{key}" for key in _keys(StoreTable)]
    found: Config = load(None, data=Path("data"), environ={})
    assert told["server.listen"] == str(found.listen)
    assert isinstance(found.store, Path)
    assert told["store.url"] == f"sqlite:///{found.store.relative_to('data')}"
    assert told["store.dedup_for"] == written("dedup_for_us", Bounds().dedup_for_us)


@pytest.mark.parametrize(
    ("heading", "table", "settings"),
    [
        ("`smtp`", SmtpTable, SmtpSettings(host="mail.example.com", sender="us@example.com")),
        ("`webhook`", WebhookTable, WebhookSettings()),
        ("`sandbox`", SandboxTable, SandboxSettings(directory="sandbox")),
        ("`resend`", ResendTable, ResendSettings(key="k", sender="us@example.com")),
        ("`sendgrid`", SendGridTable, SendGridSettings(key="k", sender="us@example.com")),
        ("`whatsapp_cloud`", WhatsAppCloudTable, WhatsAppCloudSettings(phone_number_id="1", token="t")),
        ("`green_api`", GreenApiTable, GreenApiSettings(instance="1", token="12345678")),
        ("`fcm`", FcmTable, FcmSettings(service_account="")),
    ],
)
def test_the_keys_of_providers_are_told(heading: str, table: type[msgspec.Struct], settings: ProviderSettings) -> None:
    """Each key of a provider's table is there, and a plain default is the one that the account has."""
    told = _defaults(CONFIGURATION, heading)
    assert set(told) == set(_keys(table))
    for field in msgspec.structs.fields(table):
        value = settings.port_used if field.name == "port" else getattr(settings, field.name)  # type: ignore[union-attr]
        if told[field.encode_name] and "domain" not in field.encode_name and field.name != "hello":
            assert told[field.encode_name] == written(field.name, value), field.encode_name


def test_providers_are_told_with_their_channels() -> None:
    """Every provider is there with the channels that it serves."""
    rows = table_under(CONFIGURATION, "Lanes")
    assert {codes_in(row[0])[0]: tuple(codes_in(row[1])) for row in rows} == SERVES


def test_every_key_of_a_policy_is_told_with_its_default() -> None:
    """The table has each key of a policy; a default that no preset changes is the code's own."""
    told = _defaults(DELIVERY, "Policies")
    assert set(told) == set(_keys(PolicyTable))
    plain = Policy(name="plain", retry=Schedule(after_us=()))
    for field in msgspec.structs.fields(PolicyTable):
        if told[field.encode_name]:
            assert told[field.encode_name] == written(field.name, getattr(plain, field.name)), field.encode_name


def test_every_key_of_limits_is_told_with_its_default() -> None:
    """The table has each key of `limits`, and the defaults of the code."""
    told = _defaults(DELIVERY, "Limits")
    assert list(told) == _keys(LimitsTable)
    for field in msgspec.structs.fields(LimitsTable):
        if told[field.encode_name]:
            assert told[field.encode_name] == written(field.name, getattr(Limits(), field.name))


def test_presets_are_told_exactly() -> None:
    """Each preset's schedule, limits, order, timeout, and what it does in doubt stand in the table as in the code."""
    rows = {codes_in(row[0])[0]: row for row in table_under(DELIVERY, "Presets")}
    assert list(rows) == list(PRESETS)
    for name, policy in PRESETS.items():
        assert isinstance(policy.retry, Schedule)
        limits = [f"{written('', quota)} a {scope}" for scope in ("lane", "tenant", "recipient")
                  if (quota := getattr(policy.limits, scope)) is not None]  # fmt: skip  # A list of what there is.
        limits += [f"gap {written('gap_us', policy.limits.gap_us)}"] if policy.limits.gap_us else []
        assert rows[name][1:] == [
            ", ".join(written("_us", wait_us) for wait_us in policy.retry.after_us),
            ", ".join(limits),
            f"`{policy.order}`",
            f"`{policy.on_ambiguous}`",
            written("timeout_us", policy.timeout_us),
        ], name


def test_every_outcome_is_told() -> None:
    """The ten outcomes stand in the table, each once."""
    assert tuple(_codes(table_under(DELIVERY, "Outcomes"))) == get_args(OutcomeName)


def test_every_status_is_told() -> None:
    """Each status that people are shown stands in the table, in the order of a message's life."""
    assert tuple(_codes(table_under(MESSAGES, "What became of it"))) == tuple(
        status for status in get_args(ShownStatus)
    )


def test_every_refusal_is_told() -> None:
    """Each kind of problem stands in the table with its status code."""
    rows = table_under(MESSAGES, "When the answer is no")
    assert {codes_in(row[0])[0]: int(row[1]) for row in rows} == {kind: status for kind, (status, _) in KINDS.items()}


def test_the_fields_of_a_message_are_told() -> None:
    """Each field of a request, and each of a channel's content, stands in its table."""
    assert set(_codes(table_under(MESSAGES, "Hand over a message"))) == set(_keys(MessageRequest))
    rows = table_under(MESSAGES, "Hand over a message", nth=2)
    for (channel, content), row in zip(CONTENTS.items(), rows, strict=True):
        assert codes_in(row[0]) == [channel]
        assert set(_keys(content)) <= set(codes_in(row[1])), channel


def test_every_role_is_told() -> None:
    """The roles stand in the table in their order."""
    assert tuple(_codes(table_under(OPERATING, "Keys and tenants"))) == ROLES


def test_every_metric_is_told() -> None:
    """What the metrics page has of ours stands in the table, and nothing else."""
    telemetry = Telemetry(stream=io.BytesIO())
    telemetry.registry.register(Traffic())
    telemetry.registry.register(HookFigures())
    page = generate_latest(telemetry.registry) + acting_figures([], [], awake=0, is_ready=True)
    kinds = [line.split() for line in page.decode().splitlines() if line.startswith("# TYPE tidings_")]
    given = {name for _, _, name, _ in kinds if not name.endswith("_created")}
    assert set(_codes(table_under(OPERATING, "What to watch"))) == given


def test_every_log_line_is_told_with_its_level() -> None:
    """Each name that the daemon writes a line under stands in the table, with every level that it may have."""
    told = {
        note: set(row[1].split(", "))
        for row in table_under(OPERATING, "What to watch", nth=2)
        for note in codes_in(row[0])
    }
    said = dict(_said())
    assert told.keys() == said.keys()
    for name, levels in said.items():
        assert told[name] >= levels, name
    assert told["attempt"] == {"info", "debug"}
    assert told["lane"] == {"info", "warning"}


def _said() -> Iterator[tuple[str, set[str]]]:
    """Every name that stands in a call of `note` or `say`, with the levels that can be told from the code."""
    for file in (file for room in _ROOMS for file in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            texts = [part.value if isinstance(part, ast.Constant) else None for part in node.args]
            if node.func.attr == "note" and isinstance(texts[0], str):
                yield texts[0], {_level_of(texts[0])}
            elif node.func.attr == "say" and isinstance(texts[1], str):
                yield texts[1], {texts[0]} if isinstance(texts[0], str) else set()


def _level_of(name: str) -> str:
    lines = io.BytesIO()
    Telemetry(stream=lines, level="debug").note(name)
    level: str = msgspec.json.decode(lines.getvalue())["level"]
    return level


def test_the_keys_of_a_scenario_are_told() -> None:
    """Each key of a scenario file, of an arrival, of a selector and of an order stands where it is explained."""
    parts = {"api", "bounds", "lanes", "hooks", "policies", "disk"}
    parts |= {"answered", "arrive", "provider", "fault", "peer", "device", "plan", "operator", "expect"}
    assert set(_codes(table_under(SCENARIOS, "The file"))) >= set(_keys(FileTable)) - parts
    asked = {code for row in table_under(SCENARIOS, "`[[arrive]]`: who asks for what") for code in codes_in(row[0])}
    assert asked == set(_keys(Arrive))
    # Whatever stands in a code span or an example.
    told = {
        word
        for code in re.findall(r"```.*?```|`[^`]+`", SCENARIOS.read_text(), re.DOTALL)
        for word in re.findall(r"\w+", code)
    }
    tables = (Chosen, Provider, ReceiptsTable, Fault, Peer, HookTable, Device, Plan)
    assert {*(key for table in tables for key in _keys(table)), *ACTIONS, *OUTCOMES} <= told


def test_every_expectation_and_every_law_is_told() -> None:
    """Each word that `that` may say stands in the table, and each law in the list."""
    words = table_under(SCENARIOS, "`[[expect]]`: what must come out")
    assert set(_codes(words)) == {*COUNTED, *MEASURED}
    assert list_under(SCENARIOS, "The laws") == [law.number for law in LAWS if law.number]
