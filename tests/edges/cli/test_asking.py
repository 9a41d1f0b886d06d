"""Answers for the commands that ask a daemon: each does what it says, in words and in JSON, with its exit status."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import pytest

from adapters.cli.remote import Answer
from tests.edges.cli.processes import Served, serving, tidings

pytestmark = pytest.mark.slow

CONFIG = """
[lanes.mail]
channel = "email"
provider = "sandbox"
policy = { limits = { lane = "none", recipient = "none" } }
[[lanes.mail.sandbox.misbehave]]
match = "gone@*"
outcome = "permanent"
code = "550 5.1.1"
[lanes.calls]
channel = "webhook"
provider = "sandbox"
[lanes.push]
channel = "push"
provider = "sandbox"
[lanes.chat]
channel = "whatsapp"
provider = "sandbox"
"""

CAUSE = "hook_06ym82m4r0001"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One daemon for all of these tests, which keep to lanes, tenants and messages of their own."""
    with serving(tmp_path_factory.mktemp("asking") / "data", config=CONFIG) as running:
        yield running


def sent(served: Served, to: str, *options: str) -> str:
    """The id of a message just handed over."""
    return str(served.told("send", "email", to, "--subject", "s", "--text", "t", *options)["id"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("email", "ann@example.com", "--subject", "Hello", "--text", "t", "--html", "<p>t</p>"),
        ("whatsapp", "+15550100", "--text", "t"),
        ("push", "device-1", "--title", "Hello", "--body", "t"),
        ("webhook", "https://example.com/hook", "--type", "order.paid", "--payload", '{"id": 5}'),
        ("email", "ann@example.com", "--content", '{"subject": "s", "text": "t"}', "--priority", "9"),
    ],
)
def test_each_channel_has_its_own_words(served: Served, arguments: tuple[str, ...]) -> None:
    """A message for any channel can be handed over with plain options, or with its whole content as JSON."""
    ended = served.ask("send", *arguments)
    assert ended.returncode == 0, ended.stderr
    message, status, *_ = ended.stdout.split()
    assert message.startswith("msg_")
    assert status == "queued,"
    served.wait_for("AttemptTaken", stream=message)


def test_the_same_key_is_the_same_message(served: Served) -> None:
    """A repeated send answers with the first id and says so; with other content it is refused."""
    first = sent(served, "twice@example.com", "--idempotency-key", "k1")
    again = served.ask("send", "email", "twice@example.com", "--subject", "s", "--text", "t", "--idempotency-key", "k1")
    assert again.stdout.startswith(first)
    assert "the same as before" in again.stdout
    other = served.ask(
        "send", "email", "twice@example.com", "--subject", "other", "--text", "t", "--idempotency-key", "k1"
    )
    assert other.returncode == 1
    assert "idempotency key" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("send", "email", "nobody", "--subject", "s", "--text", "t"), 2, "/to"),
        (("send", "email", "a@example.com", "--text", "t"), 2, "/content/subject"),
        (("send", "fax", "a@example.com", "--text", "t"), 2, "/channel"),
        (("send", "email", "a@example.com"), 2, "--subject"),
        (("send", "fax", "a@example.com"), 2, "expected one of email, whatsapp, push, webhook"),
        (("send", "email", "a@example.com", "--content", "{"), 2, "no JSON"),
        (("send", "email", "a@example.com", "--content", "{}", "--text", "t"), 2, "--text"),
        (("show", "msg_0000000000001"), 1, "no such"),
        (("show", "nonsense"), 1, "expected an id"),
        (("list", "--status", "lost"), 2, "?status"),
        (("list", "--lane", "nowhere"), 2, "expected one of: calls, chat, mail, push"),
        (("list", "--channel", "fax"), 2, "expected one of email"),
        (("send", "email", "a@example.com", "--text", "t", "--fallback", "{"), 2, "no JSON"),
        (("cancel", "msg_0000000000001"), 1, "no such"),
        (("pause", "nowhere"), 1, "nowhere"),
        (("redrive",), 2, "--all"),
        (("redrive", "msg_0000000000001", "--rate", "5/s"), 2, "--all"),
        (("redrive", "--all", "--rate", "fast"), 2, "/rate"),
        (("keys", "add", "--role", "send"), 2, "--all-tenants"),
        (("keys", "add", "--role", "king", "--all-tenants"), 2, "/role: expected one of read, send, operate, admin"),
        (("keys", "revoke", "key_0000000000001"), 1, "no such key"),
        (("log", "--after", "elsewhere"), 2, "cursor"),
    ],
)
def test_what_cannot_be_done_is_said_plainly(
    served: Served, arguments: tuple[str, ...], status: int, words: str
) -> None:
    """A refusal is words on standard error, with what was expected, an exit status and no stack trace."""
    ended = served.ask(*arguments)
    assert ended.returncode == status, ended.stderr
    assert words in ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr


def test_a_message_tells_its_story(served: Served) -> None:
    """show tells, in order and with times: acceptance, attempts, their ends, and how things stand now."""
    dead = sent(served, "gone@example.com")
    served.wait_for("MessageDead", stream=dead)
    story = served.ask("show", dead).stdout
    said = [
        "Accepted, due at once.",
        "Attempt 1 began on lane mail.",
        "Attempt 1 failed: permanent after",
        "(550 5.1.1)",
        "A dead letter: the provider will never take it.",
        "Now: dead after 1 attempt.",
    ]
    assert [story.find(words) for words in said] == sorted(story.find(words) for words in said)
    assert all(words in story for words in said)
    both = served.told("show", dead)
    assert cast("Answer", both["message"])["status"] == "dead"
    assert [event["type"] for event in cast("list[Answer]", both["events"])][-1] == "MessageDead"


def test_a_message_says_what_takes_its_place(served: Served) -> None:
    """A fallback given as JSON is accepted once the first message ended; show and list tell of it by its cause."""
    call = json.dumps({"channel": "webhook", "to": "https://example.com/hook", "content": {"type": "a.b", "data": 1}})
    dead = sent(served, "gone@fallback.example.com", "--failover", "mail", "--fallback", call, "--cause", CAUSE)
    started = cast("Answer", served.wait_for("FallbackStarted", stream=dead)["data"])
    assert f"{started['message']} took its place, through webhook." in served.ask("show", dead).stdout
    found = cast("list[Answer]", served.told("list", "--cause", dead)["messages"])
    assert [message["id"] for message in found] == [started["message"]]
    mine = cast("list[Answer]", served.told("list", "--cause", CAUSE)["messages"])
    assert [(message["id"], message["failover"]) for message in mine] == [(dead, ["mail"])]


def test_a_list_is_narrowed_and_paged(served: Served) -> None:
    """list shows what matches, newest first, and says how to go on where there is more."""
    for number in range(3):
        sent(served, f"list{number}@example.com", "--reference", "listed", "--send-at", "2027-01-01T00:00:00Z")
    page = served.ask("list", "--reference", "listed", "--limit", "2")
    assert page.stdout.count("scheduled") == 2
    (cursor,) = [words for words in page.stderr.split() if words.startswith("msg_")]
    rest = served.told("list", "--reference", "listed", "--before", cursor)
    assert len(cast("list[Answer]", rest["messages"])) == 1
    assert rest["next"] is None


def test_a_lane_is_paused_and_resumed(served: Served) -> None:
    """A paused lane holds its messages and says so; resumed, it lets them out; a cancelled one stays."""
    assert "paused by operator" in served.ask("pause", "mail").stdout
    kept, cancelled = sent(served, "held@example.com"), sent(served, "never@example.com")
    assert "held (lane)" in served.ask("list", "--limit", "2").stdout
    assert "cancelled" in served.ask("cancel", cancelled).stdout
    assert served.told("lanes")["lanes"]
    assert "Lane mail is open" in served.ask("resume", "mail").stdout
    served.wait_for("AttemptTaken", stream=kept)
    assert served.ask("cancel", kept).returncode == 1
    assert "AttemptStarted" not in [
        event["type"] for event in cast("list[Answer]", served.told("show", cancelled)["events"])
    ]


def test_a_policy_is_asked_in_shadow_and_promoted(served: Served) -> None:
    """shadow begins one, shows what it would have decided, and makes it the lane's policy, or ends it."""
    assert served.ask("shadow", "chat").returncode == 1
    assert "it decides nothing" in served.ask("shadow", "chat", "--policy", "email").stdout
    sent_to = served.told("send", "whatsapp", "+972501234567", "--text", "Hello")
    served.wait_for("AttemptTaken", stream=str(sent_to["id"]))
    shown = served.ask("shadow", "chat").stdout
    assert "email in shadow of lane chat since" in shown
    assert "2 decisions, 2 of them alike" in shown
    assert served.told("shadow", "chat", "--promote") == {"lane": "chat", "policy": "email", "version": 2}
    assert served.told("shadow", "push", "--policy", "webhook")["decisions"] == 0
    assert "no policy in shadow" in served.ask("shadow", "push", "--end").stdout
    assert served.ask("shadow", "push", "--end", "--promote").returncode == 2


def test_dead_letters_are_redriven_one_and_all(served: Served) -> None:
    """redrive puts one back, plans for many without moving them, and follows a bulk redrive to its end."""
    owner = ("--tenant", "redriven")
    dead = [sent(served, f"gone@{number}.example.com", *owner) for number in range(3)]
    for message in dead:
        served.wait_for("MessageDead", stream=message)
    assert "queued again" in served.ask("redrive", dead[0], *owner).stdout
    served.wait_for("MessageDead", stream=dead[0], version=8)
    assert served.told("redrive", "--all", "--dry-run", *owner)["count"] == 3
    plan = served.ask("redrive", "--all", "--dry-run", "--rate", "1/s", *owner).stdout
    assert plan.startswith("3 dead letters, accepted")
    ended = served.told("redrive", "--all", "--lane", "mail", *owner)
    assert (ended["status"], ended["moved"], ended["count"]) == ("done", 3, 3)
    begun = served.told("redrive", "--all", "--no-wait", *owner)
    assert str(begun["id"]).startswith("redrive_")


def test_keys_are_made_listed_and_revoked(served: Served) -> None:
    """A new key's secret is the whole of standard output, works within its role and tenant, and ends when revoked."""
    made = served.ask("keys", "add", "--role", "send", "--tenant", "org1", "--label", "shop")
    secret = made.stdout.strip()
    assert secret.split() == [secret]
    key = next(word for word in made.stderr.replace(",", " ").split() if word.startswith("key_"))
    shown = served.ask("keys", "list")
    assert "shop" in shown.stdout
    assert secret not in shown.stdout
    mine = ("send", "push", "device-2", "--title", "s", "--body", "t", "--key", secret)
    assert served.ask(*mine).returncode == 0
    assert served.ask("pause", "mail", "--key", secret).returncode == 1
    assert served.ask("show", sent(served, "x@example.com"), "--key", secret).returncode == 1
    assert served.ask("keys", "revoke", key).returncode == 0
    assert served.ask(*mine).returncode == 1


def test_the_log_is_printed_and_followed(served: Served) -> None:
    """log prints every event once, a cursor goes on where it ended, and --follow goes on as the log grows."""
    message = sent(served, "log@example.com", "--tenant", "logged")
    served.wait_for("AttemptTaken", stream=message)
    printed = served.ask("log", "--tenant", "logged", "--json")
    types = [json.loads(line)["type"] for line in printed.stdout.splitlines()]
    assert types == ["MessageAccepted", "AttemptStarted", "AttemptTaken"]
    cursor = printed.stderr.split()[-1]
    another = sent(served, "log@example.com", "--tenant", "logged")
    followed = served.ask("log", "--tenant", "logged", "--follow", "--limit", "3", "--after", cursor, "--json")
    events = [json.loads(line) for line in followed.stdout.splitlines()]
    assert [(event["stream"], event["type"]) for event in events] == [(another, kind) for kind in types]
    rest = served.ask("log", "--tenant", "logged", "--after", events[0]["cursor"])
    assert len(rest.stdout.splitlines()) == 2


def test_a_daemon_that_is_not_there_is_said_so(served: Served) -> None:
    """Where nobody listens the line names the address; where no key is known it names the ways to give one."""
    nobody = tidings("list", "--url", "http://127.0.0.1:1", "--key", "k")
    assert nobody.returncode == 1
    assert "No daemon answers at http://127.0.0.1:1" in nobody.stderr
    keyless = tidings("list", "--url", served.url, "--data", str(served.data / "none"))
    assert keyless.returncode == 2
    assert "TIDINGS_KEY" in keyless.stderr
    elsewhere = tidings("list", "--url", "http://tidings.example.com", "--data", str(served.data))
    assert elsewhere.returncode == 2
    assert "another machine" in elsewhere.stderr
    assert tidings("list", "--url", "ftp://x", "--key", "k").returncode == 2


def test_help_needs_nothing_heavy() -> None:
    """The help of every command comes without the parts that only running commands need."""
    heavy = {"aiohttp", "aiosqlite", "anyio", "msgspec", "prometheus_client", "structlog"}
    program = (
        "import sys; from scenarios.console import whole; app = whole();"
        "app(['--help'], standalone_mode=False); app(['send', '--help'], standalone_mode=False);"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


def test_a_process_that_takes_a_share_begins_with_little() -> None:
    """What reads the console script again, to check or fold a share of a log, brings no commands and no event loop."""
    program = (
        "import sys; import scenarios.cli, eventstore.sqlite.sharing;"
        "print(sorted({'typer', 'rich', 'asyncio', 'aiosqlite', 'anyio'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "[]\n"
