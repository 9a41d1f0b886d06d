"""Answers for hooks as the owner of a daemon meets them: checking, starting, asking, and reloading."""

import signal
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from stripe import WebhookSignature

from tests.edges.cli.processes import Served, serving, tidings

SECRET = "whsec_test"
STRIPE = f'[hooks.stripe]\nscheme = "stripe"\nsecrets = ["{SECRET}"]\n'


def post(served: Served, source: str, event: dict[str, object]) -> tuple[int, dict[str, object]]:
    """What the daemon answers to an event of Stripe's."""
    body = msgspec.json.encode(event)
    header = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(time.time()))
    parts = urlsplit(served.url)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request("POST", f"/hooks/{source}", body=body, headers={"Stripe-Signature": header})
    answer = connection.getresponse()
    told = msgspec.json.decode(answer.read())
    connection.close()
    return answer.status, told


@pytest.mark.slow
def test_a_file_of_hooks_alone_is_a_daemon(tmp_path: Path) -> None:
    """It starts without a lane, says where hooks come in, takes them, and tells of them by their own ids."""
    with serving(tmp_path / "data", config=STRIPE) as served:
        assert f"  hooks at   {served.url}/hooks/stripe" in served.printed
        status, told = post(served, "stripe", {"id": "evt_1"})
        assert (status, told["taken"]) == (200, 1)
        hook = str(told["id"])
        served.wait_for("AttemptTaken", stream=hook)
        assert served.told("list", "--channel", "hook")["messages"][0]["id"] == hook  # type: ignore[index]
        shown = served.ask("show", hook).stdout
        assert shown.startswith(f"{hook}: hook from stripe\n")
        assert "Now: delivered after 1 attempt." in shown
        assert served.ask("cancel", hook).returncode == 1
        assert served.stop() == 0
    assert tidings("verify", "--data", str(tmp_path / "data")).returncode == 0


@pytest.mark.slow
def test_senders_elsewhere_are_given_the_public_address(tmp_path: Path) -> None:
    """Where the daemon is reached under another address, that is the one printed for hooks."""
    public = '[server]\npublic_url = "https://tidings.example.com/in/"\n'
    with serving(tmp_path / "data", config=STRIPE + public) as served:
        assert "  hooks at   https://tidings.example.com/in/hooks/stripe" in served.printed


def test_check_shows_sources_and_their_mistakes(tmp_path: Path) -> None:
    """A sound file lists the handlers' lanes; a wrong one ends with 1 and names every mistake with its line."""
    file = tmp_path / "tidings.toml"
    file.write_text(STRIPE + 'forward = "http://127.0.0.1:3000/stripe"\n')
    sound = tidings("check", "--config", str(file), "--data", str(tmp_path / "data"))
    assert (sound.returncode, "  stripe: hook through forward" in sound.stdout) == (0, True)
    file.write_text(STRIPE + 'order_by = "x"\n[hooks.twilio]\nscheme = "twilio"\n')
    wrong = tidings("check", "--config", str(file), "--data", str(tmp_path / "data"))
    assert wrong.returncode == 1
    places = [line.split(": ")[:2] for line in wrong.stderr.splitlines() if line.startswith(str(file))]
    assert places == [
        [f"{file}:4", "hooks.stripe.order_by"],
        [f"{file}:5", "hooks.twilio.secrets"],
        [f"{file}:6", "hooks.twilio.scheme"],
    ]


@pytest.mark.slow
def test_a_reload_takes_up_sources_and_a_restart_remembers(tmp_path: Path) -> None:
    """SIGHUP brings a new source; after a restart an event that was taken before it is a repeat."""
    with serving(tmp_path / "data", config=STRIPE) as served:
        assert post(served, "fresh", {"id": "evt_1"})[0] == 404
        (tmp_path / "tidings.toml").write_text(STRIPE + STRIPE.replace("hooks.stripe", "hooks.fresh"))
        served.process.send_signal(signal.SIGHUP)
        served.notes.wait_for("reloaded")
        assert post(served, "fresh", {"id": "evt_1"})[1]["taken"] == 1
        (tmp_path / "tidings.toml").write_text(STRIPE + 'order_by = "x"\n')
        served.process.send_signal(signal.SIGHUP)
        served.notes.wait_for("reload_refused")
        assert post(served, "fresh", {"id": "evt_1"})[1]["duplicates"] == 1
        assert served.stop() == 0
    text = STRIPE.replace("hooks.stripe", "hooks.fresh")
    with serving(tmp_path / "data", config=text) as served:
        assert post(served, "fresh", {"id": "evt_1"})[1] | {"id": None} == {"id": None, "taken": 0, "duplicates": 1}
