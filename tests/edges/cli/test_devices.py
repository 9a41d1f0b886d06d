"""Answers for `tidings devices`: a user's devices as a person looks at them."""

from pathlib import Path

import pytest

from adapters.cli.remote import Daemon
from tests.edges.cli.processes import serving

pytestmark = pytest.mark.slow

CONFIG = """
[lanes.push]
channel = "push"
provider = "sandbox"
sandbox = { misbehave = [{ match = "token:dead-*", outcome = "recipient", code = "UNREGISTERED" }] }
"""


def test_a_persons_devices_are_shown_with_what_keeps_them_from_pushes(tmp_path: Path) -> None:
    """Each device has its line with status, last sight and the provider's word; of a stranger it says that much."""
    with serving(tmp_path / "data", config=CONFIG) as served:
        daemon = Daemon(served.url, (tmp_path / "data" / "admin.key").read_text().strip(), None)
        for device, token in (("phone", "alive-1"), ("laptop", "dead-1")):
            body = {"token": token, "platform": "web", "app": "com.example.clinic"}
            daemon.put("v1", "devices", "user:42/ann", device, body=body)
        served.ask("send", "push", "user:42/ann", "--title", "Hello", "--body", "t")
        served.wait_for("DeviceInvalidated")
        ended = served.ask("devices", "user:42/ann")
        rows = [line.split() for line in ended.stdout.splitlines() if "com.example.clinic" in line]
        assert [(row[0], row[1], row[-1]) for row in rows] == [
            ("phone", "active", "-"),
            ("laptop", "invalid", "UNREGISTERED"),
        ]
        listed = served.told("devices", "user:42/ann")["devices"]
        assert [entry["status"] for entry in listed] == ["active", "invalid"]  # type: ignore[attr-defined]  # A list.
        assert served.ask("devices", "nobody").stdout == "nobody has no devices.\n"
        assert "token" not in ended.stdout
