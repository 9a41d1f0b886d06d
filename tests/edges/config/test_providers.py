"""Answers for lanes through providers that are spoken to over HTTP: what their tables come to, and their mistakes."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from adapters.channels.accounts import ProviderSettings
from adapters.channels.fcm_settings import FcmSettings
from adapters.channels.green_api_settings import GreenApiSettings
from adapters.channels.http_mail_settings import ResendSettings, SendGridSettings
from adapters.channels.whatsapp_cloud_settings import WhatsAppCloudSettings
from core.policies import SECOND_US
from tests.edges.channels.fcm_server import account_text
from tests.edges.config.conftest import Load

Mistakes = Callable[..., list[str]]

SECRET: Final = "d75b3a66374942c5b3c019c698abc2067e151558acbd412345"
GREEN: Final = '{ instance = "1101", token = { env = "SECRET" } }'


def lane(name: str, channel: str, provider: str, table: str) -> str:
    """A lane of a file, on four lines."""
    return f'[lanes.{name}]\nchannel = "{channel}"\nprovider = "{provider}"\n{provider} = {table}\n'


WHOLE: Final[dict[str, tuple[str, str, ProviderSettings]]] = {
    "whatsapp_cloud": (
        "whatsapp",
        """{ phone_number_id = "1065", token = { env = "SECRET" }, account = "1022", url = "http://127.0.0.1:9",
        version = "v25.0", timeout = "9s" }""",
        WhatsAppCloudSettings(
            phone_number_id="1065",
            token=SECRET,
            account="1022",
            url="http://127.0.0.1:9",
            version="v25.0",
            timeout_us=9 * SECOND_US,
        ),
    ),
    "green_api": (
        "whatsapp",
        """{ url = "https://1101.api.green-api.com/", instance = "1101", token = { env = "SECRET" },
        link_preview = false, timeout = "9s" }""",
        GreenApiSettings(
            url="https://1101.api.green-api.com/",
            instance="1101",
            token=SECRET,
            link_preview=False,
            timeout_us=9 * SECOND_US,
        ),
    ),
    "resend": (
        "email",
        """{ key = { env = "SECRET" }, from = "Ann <a@b.example>", account = "ours", url = "http://localhost:9",
        timeout = "9s" }""",
        ResendSettings(
            key=SECRET, sender="Ann <a@b.example>", account="ours", url="http://localhost:9", timeout_us=9 * SECOND_US
        ),
    ),
    "sendgrid": (
        "email",
        '{ key = { env = "SECRET" }, from = "a@b.example", url = "https://api.eu.sendgrid.com" }',
        SendGridSettings(key=SECRET, sender="a@b.example", url="https://api.eu.sendgrid.com"),
    ),
}


@pytest.mark.parametrize("provider", WHOLE)
def test_each_key_of_a_table_reaches_its_provider(loaded: Load, provider: str) -> None:
    """What a lane's table says is what the provider is told, and a printed configuration shows no secret of it."""
    channel, table, settings = WHOLE[provider]
    config = loaded(lane("out", channel, provider, table.replace("\n", " ")), {"SECRET": SECRET})
    assert config.providers["out"] == settings
    assert SECRET not in repr(config) + str(config)


def test_a_table_may_say_no_more_than_it_must(loaded: Load) -> None:
    """With an identity and a secret alone, everything else is the provider's own default."""
    config = loaded(lane("out", "whatsapp", "green_api", GREEN), {"SECRET": SECRET})
    assert config.providers["out"] == GreenApiSettings(instance="1101", token=SECRET)


@pytest.mark.parametrize("said", ['{ env = "ACCOUNT" }', '{ file = "account.json" }'], ids=["env", "file"])
def test_a_service_account_comes_whole_from_where_it_is_kept(loaded: Load, tmp_path: Path, said: str) -> None:
    """The JSON that Google gives out is a secret like any other: from a variable or a file, and never shown."""
    text = account_text()
    (tmp_path / "account.json").write_text(text)
    table = f'{{ service_account = {said}, project_id = "another-project", timeout = "9s" }}'
    config = loaded(lane("out", "push", "fcm", table), {"ACCOUNT": text})
    assert config.providers["out"] == FcmSettings(
        service_account=text, project_id="another-project", timeout_us=9 * SECOND_US
    )
    assert "PRIVATE KEY" not in repr(config)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (lane("out", "whatsapp", "green_api", "5"), "4 lanes.out.green_api: 5; a table"),
        (
            '[lanes.out]\nchannel = "whatsapp"\nprovider = "green_api"\n',
            '1 lanes.out.green_api: missing; a table such as { instance = "1101000001", token = { env = ',
        ),
        (
            '[lanes.out]\nchannel = "push"\nprovider = "fcm"\n',
            '1 lanes.out.fcm: missing; a table such as { service_account = { file = "service-account.json" } }',
        ),
        (
            lane("out", "whatsapp", "green_api", '{ instance = "1101" }'),
            '4 lanes.out.green_api.token: missing; a secret: { env = "NAME" }, { file = "path" } or a text',
        ),
        (
            lane("out", "whatsapp", "whatsapp_cloud", '{ token = "t" }'),
            "4 lanes.out.whatsapp_cloud.phone_number_id: missing; a text in one line",
        ),
        (lane("out", "email", "resend", '{ key = "k" }'), "4 lanes.out.resend.from: missing; a text in one line"),
        (
            lane("out", "whatsapp", "green_api", '{ instance = "1101", token = { env = "UNSET" } }'),
            "4 lanes.out.green_api.token: the environment has no UNSET; the secret in the environment variable UNSET",
        ),
        (
            lane("out", "whatsapp", "green_api", '{ instance = "x", token = "12345678" }'),
            "4 lanes.out.green_api.instance: a value that cannot stand; the id of an instance, which has digits only",
        ),
        (
            lane("out", "whatsapp", "green_api", '{ instance = "1", token = "12345678", url = "http://a.example" }'),
            "4 lanes.out.green_api.url: a value that cannot stand; https, since the account's secret travels",
        ),
        (
            lane("out", "whatsapp", "whatsapp_cloud", '{ phone_number_id = "+1 555", token = "t" }'),
            "4 lanes.out.whatsapp_cloud.phone_number_id: a value that cannot stand; the id that Meta gave the number",
        ),
        (
            lane("out", "whatsapp", "whatsapp_cloud", '{ phone_number_id = "1", token = "t", version = "26" }'),
            "4 lanes.out.whatsapp_cloud.version: a value that cannot stand; a version of the Graph API such as v26.0",
        ),
        (
            lane("out", "email", "sendgrid", '{ key = "k", from = "nobody" }'),
            "4 lanes.out.sendgrid.from: a value that cannot stand; ",
        ),
        (
            lane("out", "push", "fcm", '{ service_account = "service-account.json" }'),
            (
                "4 lanes.out.fcm.service_account: a value that cannot stand; the JSON that Google gives out for a"
                " service account; this looks like the name of a file"
            ),
        ),
        (
            lane("out", "email", "resend", '{ key = "k", from = "a@b.example", ca_file = "lost.pem" }'),
            "4 lanes.out.resend.ca_file: ",
        ),
        (
            lane("out", "email", "resend", '{ key = "k", from = "a@b.example", timeout = "0s" }'),
            '4 lanes.out.resend.timeout: "0s"; a duration',
        ),
        (
            lane("out", "email", "green_api", GREEN),
            '3 lanes.out.provider: "green_api", which does not serve email; "smtp" or "resend" or "sendgrid" or',
        ),
        (
            lane("out", "push", "sandbox", "{}") + "fcm = {}\n",
            "5 lanes.out.fcm: a table for fcm; one for sandbox, the provider of this lane",
        ),
    ],
)
def test_each_mistake_is_named_where_it_stands(mistakes: Mistakes, text: str, mistake: str) -> None:
    """Whatever is wrong in a provider's table is told with its line, its key and what was expected."""
    found = mistakes(text, {"SECRET": SECRET})
    assert [one for one in found if one.startswith(mistake)], found


def test_all_mistakes_of_a_table_are_told_at_once_and_show_no_secret(mistakes: Mistakes) -> None:
    """Each wrong setting is one mistake, a secret among them, and none of them repeats the secret."""
    secret = "open sesame, with spaces"
    table = f'{{ phone_number_id = "x", token = "{secret}", account = "y", url = "ftp://z", version = "1" }}'
    found = mistakes(lane("out", "whatsapp", "whatsapp_cloud", table))
    assert [one.split(":")[0] for one in found] == [
        f"4 lanes.out.whatsapp_cloud.{key}" for key in ("account", "phone_number_id", "token", "url", "version")
    ]
    assert "sesame" not in "".join(found)


def test_lanes_of_one_account_know_it(loaded: Load) -> None:
    """What a limit of an account stops is named: by its own name, or as the first lane that has the same key."""
    mail = '{ key = "k1", from = "a@b.example" }'
    text = (
        lane("first", "email", "resend", mail)
        + lane("second", "email", "resend", mail)
        + lane("other", "email", "resend", mail.replace("k1", "k2"))
        + lane("named", "email", "sendgrid", mail.replace("}", ', account = "ours" }'))
        + lane("meta", "whatsapp", "whatsapp_cloud", '{ phone_number_id = "1", token = "t", account = "102" }')
        + lane("green", "whatsapp", "green_api", GREEN)
    )
    lanes = loaded(text, {"SECRET": SECRET}).settings.lanes
    assert [(one.name, one.account) for one in lanes] == [
        ("first", "first"),
        ("second", "first"),
        ("other", "other"),
        ("named", "ours"),
        ("meta", "102"),
        ("green", ""),
    ]


def test_it_is_known_who_tells_afterwards(loaded: Load) -> None:
    """Providers whose hooks say what became of a message are those whose ids are kept to be found by."""
    text = (
        lane("meta", "whatsapp", "whatsapp_cloud", '{ phone_number_id = "1", token = "t" }')
        + lane("green", "whatsapp", "green_api", GREEN)
        + lane("resend", "email", "resend", '{ key = "k", from = "a@b.example" }')
        + lane("grid", "email", "sendgrid", '{ key = "k", from = "a@b.example" }')
        + lane("push", "push", "fcm", '{ service_account = { env = "ACCOUNT" } }')
        + lane("mail", "email", "smtp", '{ host = "127.0.0.1", from = "a@b.example" }')
        + lane("box", "whatsapp", "sandbox", "{}")
    )
    lanes = loaded(text, {"SECRET": SECRET, "ACCOUNT": account_text()}).settings.lanes
    assert [one.name for one in lanes if one.has_receipts] == ["meta", "green", "resend", "grid"]
