"""Answers for `tidings forget`: it stays until somebody is forgotten, and whoever leaves earlier stops nothing."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

import pytest

from adapters.cli.remote import Answer
from tests.edges.cli.processes import PATIENCE_S, Served, clean, serving, tidings
from tests.edges.web.house import later
from tests.forking.programs import Program

pytestmark = pytest.mark.slow

PLAIN: Final = """
[lanes.mail]
channel = "email"
provider = "sandbox"
policy = { limits = { lane = "none", recipient = "none" } }
"""
CONFIG: Final = f"""
[bounds]
stop_within = "200ms"
{PLAIN}
[[lanes.mail.sandbox.misbehave]]
match = "slow@*"
outcome = "taken"
delay = "4s"
[[lanes.mail.sandbox.misbehave]]
match = "stuck@*"
outcome = "taken"
delay = "10m"
"""
_LOOKS: Final = b'tidings_http_answers_total{call="GET /v1/subjects/forget/{id}"'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One daemon for those that keep to addresses of their own."""
    with serving(tmp_path_factory.mktemp("forget") / "data", config=CONFIG) as running:
        yield running


def sent(served: Served, to: str, *options: str) -> str:
    """The id of a message just handed over."""
    return str(served.told("send", "email", to, "--subject", "s", "--text", "t", *options)["id"])


def printed_everywhere(served: Served) -> str:
    """What the commands that tell of the log have to say."""
    texts = [served.ask("log", "--limit", "1000"), served.ask("list"), served.ask("log", "--limit", "1000", "--json")]
    return "".join(ended.stdout + ended.stderr for ended in texts)


def test_somebody_is_forgotten(served: Served) -> None:
    """One line counts what went, none repeats the address, and the log holds nothing of it and is sound."""
    first, second = (
        sent(served, "ann@example.com"),
        sent(served, "ann@example.com", "--send-at", later(days=1)),
    )
    served.wait_for("AttemptTaken", stream=first)
    ended = served.ask("forget", "email", "ann@example.com")
    assert (ended.returncode, ended.stderr) == (0, "")
    erasure, _, words = ended.stdout.partition(" ")
    assert erasure.startswith("erasure_")
    assert words == "is over: what was private of 2 messages is gone (1 were open).\n"
    shown = served.ask("show", second).stdout
    assert "Cancelled (whoever it was for is forgotten)." in shown
    assert "Now: cancelled after no attempt." in shown
    explained = served.ask("explain", second)
    assert (explained.returncode, "whoever it was for is forgotten" in explained.stdout) == (0, True)
    assert "ann@" not in ended.stdout + shown + explained.stdout + printed_everywhere(served)
    checked = tidings("verify", "--data", str(served.data))
    assert (checked.returncode, "sound" in checked.stdout) == (0, True)


def test_programs_are_told_what_the_daemon_answered(served: Served) -> None:
    """In JSON it is the erasure itself."""
    sent(served, "bob@example.com", "--send-at", later(days=1))
    told = served.told("forget", "email", "bob@example.com")
    assert (told["status"], told["channel"], told["messages"], told["cancelled"]) == ("erased", "email", 1, 1)
    assert served.daemon.get("v1", "subjects", "forget", str(told["id"])) == told


def test_only_the_tenants_own_is_forgotten(served: Served) -> None:
    """`--tenant` says whose it is; all tenants at once are nobody's."""
    theirs = sent(served, "carl@example.com", "--tenant", "acme", "--send-at", later(days=1))
    assert served.told("forget", "email", "carl@example.com")["messages"] == 0
    assert served.daemon.get("v1", "messages", theirs)["status"] == "scheduled"
    told = served.told("forget", "email", "carl@example.com", "--tenant", "acme")
    assert (told["tenant"], told["cancelled"]) == ("acme", 1)
    everybody = served.ask("forget", "email", "carl@example.com", "--tenant", "*")
    assert (everybody.returncode, "one tenant's name" in everybody.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("email", "no address"), "/address: expected an email address"),
        (("pigeon", "ann@example.com"), "/channel: expected one of email, whatsapp, push, webhook"),
        (("email",), "ADDRESS"),
    ],
)
def test_what_is_nobody_is_misuse(served: Served, arguments: tuple[str, ...], words: str) -> None:
    """It ends with 2 and one clear word."""
    ended = served.ask("forget", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_whoever_may_not_is_refused(served: Served) -> None:
    """A key of a smaller role ends it with 1, and nobody is forgotten."""
    message = sent(served, "dot@example.com", "--send-at", later(days=1))
    key = served.told("keys", "add", "--role", "send", "--all-tenants")["secret"]
    ended = served.ask("forget", "email", "dot@example.com", "--key", str(key))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "operate" in ended.stderr
    assert served.daemon.get("v1", "messages", message)["status"] == "scheduled"


def test_it_stays_until_it_is_over(served: Served) -> None:
    """What is in flight is waited for, beyond what one call waits; its end is what its provider answered."""
    message = sent(served, "slow@example.com")
    served.wait_for("AttemptStarted", stream=message)
    told = served.told("forget", "email", "slow@example.com")
    assert (told["status"], told["messages"], told["cancelled"]) == ("erased", 1, 0)
    state = served.daemon.get("v1", "messages", message)
    assert (state["status"], state["reason"]) == ("sent", None)


def test_one_may_leave_it_to_the_daemon(tmp_path: Path) -> None:
    """Without staying, after an interrupt and after the daemon's own death it is the same erasure, and goes on."""
    data = tmp_path / "data"
    with serving(data, config=CONFIG) as served:
        message = sent(served, "stuck@example.com")
        served.wait_for("AttemptStarted", stream=message)
        left = served.ask("forget", "email", "stuck@example.com", "--no-wait")
        assert left.returncode == 0
        erasure, _, words = left.stdout.partition(" ")
        assert words == "is under way: what was private of 0 messages is gone (0 were open) so far.\n"
        status, said = _interrupted(served, "forget", "email", "stuck@example.com")
        assert (status, said) == (130, f"{erasure} goes on in the daemon.\n")
        assert served.daemon.get("v1", "subjects", "forget", erasure)["status"] == "erasing"
        assert served.stop(signal.SIGKILL) == -signal.SIGKILL
    with serving(data, config=PLAIN) as served:
        erased = served.wait_for("SubjectErased", stream=erasure)
        assert cast("Answer", erased["data"])["messages"] == 1
        assert served.daemon.get("v1", "subjects", "forget", erasure)["status"] == "erased"
        assert served.daemon.get("v1", "messages", message)["status"] == "cancelled"
        assert served.stop() == 0
    assert tidings("verify", "--data", str(data)).returncode == 0


def _interrupted(served: Served, *arguments: str) -> tuple[int, str]:
    """How a command ends, and what it says, that is interrupted while it looks how far its erasure is."""
    environ = clean({"TIDINGS_URL": served.url})
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        program = Program([*arguments, "--data", served.data], environ=environ, output=output, errors=errors)
        try:
            while not _looks(served):
                assert program.returncode is None, "it stays until it is interrupted"
            program.send_signal(signal.SIGINT)
            status = program.wait(PATIENCE_S)
        finally:
            program.kill()
            program.wait()
        errors.seek(0)
        return status, errors.read()


def _looks(served: Served) -> bool:
    """Whether somebody has asked how far an erasure is."""
    key = (served.data / "admin.key").read_text().strip()
    with closing(HTTPConnection(urlsplit(served.url).netloc, timeout=PATIENCE_S)) as connection:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {key}", "Tidings-Tenant": "*"})
        return _LOOKS in connection.getresponse().read()
