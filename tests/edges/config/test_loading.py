"""Answers for what a configuration comes to: defaults, inheritance, overrides, secrets."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from adapters.channels.accounts import SandboxSettings, SmtpSettings, WebhookSettings
from adapters.channels.building import CHANNELS_OF
from adapters.config.hidden import Secret
from adapters.config.loading import Mistaken, load
from adapters.config.providers import SERVES
from adapters.config.store import PostgresUrl
from core.outcomes import OutcomeName
from core.policies import DAY_US, HOUR_US, MINUTE_US, PRESETS, SECOND_US, Exponential, Poison, Quota, Schedule
from core.settings import Bounds
from tests.edges.config.conftest import Load

MAIL = """
[lanes.mail]
channel = "email"
provider = "smtp"
smtp = { host = "127.0.0.1", port = 2525, tls = "none", from = "Tidings <no-reply@example.com>" }
"""
CALLS = """
[lanes.calls]
channel = "webhook"
provider = "webhook"
webhook = { secrets = [{ env = "WEBHOOK_SECRET" }], allow_private = ["127.0.0.0/8"], allow_http = true, timeout = "9s" }
"""
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_without_a_file_everything_is_a_sandbox_on_this_machine(loaded: Load, tmp_path: Path) -> None:
    """With nothing configured: loopback, a log in the data directory, and a sandbox lane for each channel."""
    config = loaded(None)
    assert str(config.listen) == "127.0.0.1:8420"
    assert config.store == tmp_path / "tidings.db"
    assert [(lane.name, lane.channel, lane.provider) for lane in config.settings.lanes] == [
        (channel, channel, "sandbox") for channel in ("email", "whatsapp", "push", "webhook")
    ]
    assert all(lane.policy == PRESETS[lane.channel] for lane in config.settings.lanes)
    assert config.providers["email"] == SandboxSettings(directory=str(tmp_path / "sandbox"))
    assert config.settings.bounds == Bounds()
    assert config.body_bytes_max == 1_048_576
    assert config.warnings == ()


def test_each_key_of_a_lane_reaches_its_provider(loaded: Load) -> None:
    """What a lane's table says is what the provider is told; the rest is the provider's own default."""
    config = loaded(MAIL + CALLS, {"WEBHOOK_SECRET": WEBHOOK_SECRET})
    assert config.providers["mail"] == SmtpSettings(
        host="127.0.0.1", port=2525, tls="none", sender="Tidings <no-reply@example.com>"
    )
    assert config.providers["calls"] == WebhookSettings(
        secrets=(WEBHOOK_SECRET,), allow_private=("127.0.0.0/8",), allow_http=True, timeout_us=9 * SECOND_US
    )
    assert config.settings.lanes[1].policy.timeout_us == 9 * SECOND_US


def test_a_whole_policy_is_read(loaded: Load) -> None:
    """Every key of a policy table has its place in the policy."""
    text = (
        MAIL
        + """
[policies.patient]
extends = "email"
retry = { first = "1m", factor = 2, times = 8, ceiling = "12h", jitter = 0.2 }
limits = { lane = "100/min", tenant = "5/h", recipient = "none", gap = "1s", burst = 10, concurrency = 7 }
circuit = { failures = 3, cooldown = "2m", ceiling = "2h" }
quiet_hours = { from = "21:00", to = "08:00", zone = "Asia/Jerusalem" }
on_ambiguous = "hold"
poison = { skip_after = "1h" }
breaker = { share = 0.4, of = 50, within = "30s" }
order = "any"
in_flight_max = 3
retry_after_ceiling = "1h"
rate_pause = "10s"
give_up_after = "2d"
timeout = "1m"
"""
    )
    policy = loaded(text).settings.policies["patient"]
    assert policy.name == "patient"
    assert policy.retry == Exponential(first_us=MINUTE_US, factor=2, times=8, ceiling_us=12 * HOUR_US, jitter=0.2)
    assert (policy.limits.lane, policy.limits.tenant) == (
        Quota(count=100, window_us=MINUTE_US),
        Quota(count=5, window_us=HOUR_US),
    )
    assert policy.limits.recipient is None
    assert (policy.limits.gap_us, policy.limits.burst, policy.limits.concurrency) == (SECOND_US, 10, 7)
    assert (policy.circuit.failures, policy.circuit.cooldown_us, policy.circuit.ceiling_us) == (
        3,
        2 * MINUTE_US,
        2 * HOUR_US,
    )
    assert policy.quiet_hours is not None
    assert (policy.quiet_hours.from_minute, policy.quiet_hours.to_minute, policy.quiet_hours.zone) == (
        1_260,
        480,
        "Asia/Jerusalem",
    )
    assert (policy.on_ambiguous, policy.poison) == ("hold", Poison(kind="skip", skip_after_us=HOUR_US))
    assert (policy.breaker.share, policy.breaker.of, policy.breaker.within_us) == (0.4, 50, 30 * SECOND_US)
    assert (policy.order, policy.in_flight_max, policy.timeout_us) == ("any", 3, MINUTE_US)
    assert (policy.retry_after_ceiling_us, policy.rate_pause_us) == (HOUR_US, 10 * SECOND_US)
    assert policy.give_up_after_us == 2 * DAY_US


def test_a_lane_changes_only_what_it_says(loaded: Load) -> None:
    """A lane's own policy keys lie over the preset that it names, key by key."""
    text = MAIL + 'policy = { preset = "whatsapp", limits = { tenant = "50/min" }, retry = { jitter = 0 } }'
    policy = loaded(text).settings.lanes[0].policy
    whatsapp = PRESETS["whatsapp"]
    assert isinstance(whatsapp.retry, Schedule)
    assert policy.limits.tenant == Quota(count=50, window_us=MINUTE_US)
    assert policy.limits.gap_us == whatsapp.limits.gap_us
    assert policy.retry == Schedule(after_us=whatsapp.retry.after_us, jitter=0)
    assert policy.circuit == whatsapp.circuit


def test_a_policy_named_like_a_built_in_overrides_it_everywhere(loaded: Load) -> None:
    """[policies.email] changes the preset of every email lane and of every policy that extends it."""
    text = (
        MAIL
        + """
[policies.email]
limits = { lane = "7/min" }
[policies.patient]
extends = "email"
circuit = { failures = 9 }
"""
    )
    settings = loaded(text).settings
    seven = Quota(count=7, window_us=MINUTE_US)
    assert settings.lanes[0].policy.limits.lane == settings.policies["email"].limits.lane == seven
    assert settings.policies["patient"].limits.lane == seven
    assert settings.policies["patient"].circuit.failures == 9
    assert settings.policies["email"].limits.recipient == PRESETS["email"].limits.recipient


def test_a_policy_that_extends_nothing_extends_its_channels_preset(loaded: Load) -> None:
    """The same policy on two channels rests on two presets, and then no message can name it; on one channel it can."""
    policy = "\n[policies.brisk]\ncircuit = { failures = 2 }\n"
    both = loaded(
        MAIL + 'policy = { preset = "brisk" }\n' + CALLS + 'policy = { preset = "brisk" }\n' + policy,
        {"WEBHOOK_SECRET": WEBHOOK_SECRET},
    )
    mail, calls = both.settings.lanes
    assert (mail.policy.retry, calls.policy.retry) == (PRESETS["email"].retry, PRESETS["webhook"].retry)
    assert mail.policy.circuit.failures == calls.policy.circuit.failures == 2
    assert "brisk" not in both.settings.policies
    assert [warning for warning in both.warnings if "brisk" in warning]
    one = loaded(MAIL + policy)
    assert one.settings.policies["brisk"].retry == PRESETS["email"].retry
    assert one.warnings == ()


def test_the_environment_stands_over_the_file(loaded: Load, tmp_path: Path) -> None:
    """TIDINGS_SECTION__KEY replaces a key of the file, whatever kind of value it has."""
    environ = {
        "TIDINGS_SERVER__LISTEN": "127.0.0.1:0",
        "TIDINGS_STORE__URL": "sqlite:///other.db",
        "TIDINGS_LANES__MAIL__SMTP__PORT": "26",
        "TIDINGS_LANES__MAIL__POLICY": '{ preset = "push" }',
        "TIDINGS_LANES__EXTRA": '{ channel = "push", provider = "sandbox" }',
        "TIDINGS_BOUNDS__IDLE": "5s",
        "TIDINGS_URL": "http://the.client",
        "TIDINGS_PORT_8420_TCP": "tcp://set.by.an.orchestrator",
    }
    config = loaded(MAIL, environ)
    assert str(config.listen) == "127.0.0.1:0"
    assert config.store == tmp_path / "other.db"
    mail = config.providers["mail"]
    assert isinstance(mail, SmtpSettings)
    assert (mail.host, mail.port) == ("127.0.0.1", 26)
    assert [lane.name for lane in config.settings.lanes] == ["mail", "extra"]
    assert config.settings.lanes[0].policy == PRESETS["push"]
    assert config.settings.bounds.idle_us == 5 * SECOND_US


def test_every_bound_can_be_configured(loaded: Load) -> None:
    """Each bound of core.settings has a key of its own, without its unit, and dedup_for in [store]."""
    text = MAIL + "[bounds]\nbody_max = '2MiB'\n"
    expected: dict[str, object] = {"dedup_for_us": DAY_US}
    for field in msgspec.structs.fields(Bounds):
        if field.name == "dedup_for_us":
            continue
        if field.name.endswith("_us"):
            text += f"{field.name.removesuffix('_us')} = '7s'\n"
            expected[field.name] = 7 * SECOND_US
        elif "_bytes" in field.name:
            text += f"{field.name.replace('_bytes', '')} = '3KiB'\n"
            expected[field.name] = 3_072
        else:
            text += f"{field.name} = 11\n"
            expected[field.name] = 11
    config = loaded(text + "[store]\ndedup_for = '1d'\n")
    assert msgspec.structs.asdict(config.settings.bounds) == expected
    assert config.body_bytes_max == 2_097_152


def test_a_sandbox_misbehaves_to_order(loaded: Load, tmp_path: Path) -> None:
    """Every kind of misbehaviour can be configured, and relative directories lie below the data directory."""
    for outcome in get_args(OutcomeName):
        text = f"""
[lanes.box]
channel = "push"
provider = "sandbox"
[lanes.box.sandbox]
directory = "out"
[[lanes.box.sandbox.misbehave]]
match = "*@example.com"
outcome = "{outcome}"
times = 2
delay = "1s"
after = "5s"
"""
        box = loaded(text).providers["box"]
        assert isinstance(box, SandboxSettings)
        assert box.directory == str(tmp_path / "out")
        (misbehaviour,) = box.misbehave
        assert (misbehaviour.match, misbehaviour.outcome, misbehaviour.times) == ("*@example.com", outcome, 2)
        assert (misbehaviour.delay_us, misbehaviour.after_us) == (SECOND_US, 5 * SECOND_US)


@pytest.mark.parametrize(
    "said", ['{ env = "PASSWORD" }', '{ file = "password.txt" }', '"open sesame"'], ids=["env", "file", "literal"]
)
def test_a_secret_comes_from_where_it_is_kept_and_is_never_shown(loaded: Load, tmp_path: Path, said: str) -> None:
    """Environment, file or text: the provider gets the secret, and no printed form of the configuration has it."""
    (tmp_path / "password.txt").write_text("open sesame\n")
    text = MAIL.replace('tls = "none"', f'tls = "starttls", user = "ann", password = {said}')
    config = loaded(text, {"PASSWORD": "open sesame"})
    mail = config.providers["mail"]
    assert isinstance(mail, SmtpSettings)
    assert mail.password == "open sesame"
    assert "sesame" not in repr(config) + str(config)
    assert "sesame" not in repr(Secret("open sesame")) + str([Secret("open sesame")])


def test_every_provider_is_offered_for_what_it_carries() -> None:
    """What the configuration takes for a provider's channels is what that provider can carry."""
    assert dict(SERVES) == CHANNELS_OF


def test_a_store_is_named_by_a_url(loaded: Load, tmp_path: Path) -> None:
    """Three slashes lead below the data directory, four to an absolute path."""
    assert loaded(MAIL + '[store]\nurl = "sqlite:///logs/a.db"\n').store == tmp_path / "logs/a.db"
    assert loaded(MAIL + '[store]\nurl = "sqlite:////srv/a.db"\n').store == Path("/srv/a.db")


def test_a_store_on_a_server_never_shows_its_password(loaded: Load) -> None:
    """The URL of a server is read whole, also from the environment; as a text it has neither password nor options."""
    url = "postgresql://tidings:p%40ss@db.example.com:6432/messages?sslmode=verify-full"
    for text, environ in (
        (f"""[store]\nurl = "{url}"\n""", {}),
        ("""[store]\nurl = { env = "DATABASE_URL" }\n""", {"DATABASE_URL": url}),
        ("", {"TIDINGS_STORE__URL": '{ env = "DATABASE_URL" }', "DATABASE_URL": url}),
    ):
        config = loaded(MAIL + text, environ)
        place = config.store
        assert isinstance(place, PostgresUrl)
        assert place.url.reveal() == url
        assert (place.user, place.hosts) == ("tidings", (("db.example.com", 6432),))
        assert str(place) == "postgresql://tidings@db.example.com:6432/messages"
        assert "p%40ss" not in repr(config)
        assert config.warnings == ()


def test_a_store_may_be_on_one_of_several_servers(loaded: Load) -> None:
    """A primary and its standbys are named in one URL; each host may have a port, and all of them are told."""
    url = "postgresql://u:p@one,two.example.com:6432,[::1]/db?target_session_attrs=primary"
    config = loaded(MAIL + f"""[store]\nurl = "{url}"\n""")
    assert isinstance(config.store, PostgresUrl)
    assert config.store.hosts == (("one", 5432), ("two.example.com", 6432), ("::1", 5432))
    assert str(config.store) == "postgresql://u@one:5432,two.example.com:6432,[::1]:5432/db"
    (warning,) = config.warnings
    assert "on one, two.example.com unencrypted" in warning


@pytest.mark.parametrize(
    "torn",
    [
        "postgresql://u:hunter2@h,/db",
        "postgresql://u:hunter2@h,i:port/db",
        "postgresql://u:hunter2@h",
        "postgresql://u:hunter2@/db",
        "postgresql://u:hun/ter2@h/db",
        "postgresql://u:hun@ter2@h/db",
        "postgresql://u:hun#ter2@h/db",
        "postgresql://u:hun?ter2@h/db",
        "postgresql://u:hunter2@h:port/db",
        "postgresql://u:hunter2@h/db?statement_timeout=1",
        "postgresql+asyncpg://u:hunter2@h/db",
        "host=h user=u password=hunter2",
    ],
)
def test_a_url_that_names_no_database_is_not_shown(mistakes: Callable[..., list[str]], torn: str) -> None:
    """A part that is missing, or a password that is not written as %XX, is a mistake that shows nothing of it."""
    (found,) = mistakes(f"[lanes.mail]\nchannel = 'email'\nprovider = 'sandbox'\n[store]\nurl = '{torn}'\n")
    assert found.startswith("5 store.url: an address that is not shown; ")
    assert "ter2" not in found


@pytest.mark.parametrize("key", ["STORE_URL", "SERVER_LISTEN", "BOUNDS_BODY_MAX"])
def test_a_variable_that_lacks_an_underscore_is_told(loaded: Load, key: str) -> None:
    """Whoever wrote one underscore instead of two hears that nothing was set, and what to write."""
    meant = key.replace("_", "__", 1)
    config = loaded(MAIL, {f"TIDINGS_{key}": "x", "TIDINGS_SERVICE_HOST": "10.0.0.1", "TIDINGS_URL": "http://x"})
    (told,) = [words for words in config.warnings if "underscores" in words]
    assert told == f"TIDINGS_{key} in the environment sets nothing: write TIDINGS_{meant}, with two underscores."


def test_what_should_worry_its_owner_is_said(loaded: Load) -> None:
    """Unsigned webhooks, listening beyond this machine, a log in the clear: warnings, each a whole sentence."""
    text = CALLS.replace('secrets = [{ env = "WEBHOOK_SECRET" }], ', "") + '[server]\nlisten = "0.0.0.0:80"\n'
    beyond, clear, unsigned = loaded(text + '[store]\nurl = "postgresql://u:hunter2@db.example.com/db"\n').warnings
    assert "0.0.0.0:80" in beyond
    assert "database on db.example.com unencrypted" in clear
    assert "hunter2" not in clear
    assert "calls" in unsigned


def test_a_file_that_cannot_be_read_is_one_clear_mistake(tmp_path: Path) -> None:
    """A directory in the file's place, a file that is not there, and bytes that are no text: each says which file."""
    broken = tmp_path / "broken.toml"
    broken.write_bytes(b"[server]\nlisten = '\xff'\n")
    for file, line in ((tmp_path, None), (tmp_path / "none.toml", None), (broken, 2)):
        with pytest.raises(Mistaken) as mistaken:
            load(file, data=tmp_path, environ={})
        (mistake,) = mistaken.value.mistakes
        assert (mistake.where, mistake.line) == (str(file), line)
