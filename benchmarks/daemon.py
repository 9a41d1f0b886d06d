"""The daemon under measurement: its configuration, its process, its data directory.

Answers for: the real `tidings serve` of this environment, configured as a user would configure it for throughput.
Must never: switch anything off that a user relies on; limits are lifted, the log stays durable, deliveries are signed.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.parties import party
from benchmarks.targets import Target, free_port

# A key like any user's: what deliveries are signed with, so that signing is part of what is measured.
_ENVIRONMENT = {"BENCH_WEBHOOK_SECRET": "whsec_YmVuY2htYXJrcy1rZWVwLW5vLXNlY3JldC1oZXJlLW9r"}

_CALLS = """
[lanes.{name}]
channel = "webhook"
provider = "webhook"
webhook = {{ secrets = [{{ env = "BENCH_WEBHOOK_SECRET" }}], allow_private = ["127.0.0.0/8"], allow_http = true }}
policy = {{ preset = "open_calls" }}
"""
_MAIL = """
[lanes.mail]
channel = "email"
provider = "smtp"
smtp = {{ host = "127.0.0.1", port = {port}, tls = "none", from = "Tidings <no-reply@example.com>" }}
policy = {{ preset = "open_mail" }}
"""
_HOOKS = """
[hooks.{source}]
scheme = "stripe"
secrets = ["{secret}"]
forward = "{url}/hooks"
signing_secrets = [{{ env = "BENCH_WEBHOOK_SECRET" }}]
order_by = "/data/object/customer"
policy = {{ limits = {{ concurrency = 64 }} }}
"""
_POLICIES = """
[policies.open_calls]
extends = "webhook"
retry = {{ after = ["1s", "5s", "30s"], jitter = 0.0 }}
limits = {{ {calls_limits} }}
[policies.open_mail]
extends = "email"
limits = {{ {mail_limits} }}
"""


HOOK_SOURCE = "shop"
HOOK_SECRET = "whsec_a_key_like_any_senders"  # noqa: S105  # It opens nothing.


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a case changes in the configuration."""

    webhook_lanes: Sequence[str] = ("calls",)
    smtp_port: int | None = None
    handler_url: str | None = None
    """The handler of a source of hooks; None: there is no source."""
    store: str | None = None
    """The URL of the log; None: a file in the data directory."""
    calls_limits: str = "host_concurrency = 64, concurrency = 64"
    mail_limits: str = 'lane = "none", recipient = "none", concurrency = 16'

    def text(self) -> str:
        """The configuration file."""
        store = "" if self.store is None else f'[store]\nurl = "{self.store}"\n'
        lanes = "".join(_CALLS.format(name=name) for name in self.webhook_lanes)
        mail = "" if self.smtp_port is None else _MAIL.format(port=self.smtp_port)
        hooks = ""
        if self.handler_url is not None:
            hooks = _HOOKS.format(source=HOOK_SOURCE, secret=HOOK_SECRET, url=self.handler_url)
        return (
            store
            + lanes
            + mail
            + hooks
            + _POLICIES.format(calls_limits=self.calls_limits, mail_limits=self.mail_limits)
        )


@contextmanager
def daemon(folder: Path, settings: Settings | None = None) -> Iterator[Target]:
    """The daemon for the length of a block, on `folder`/data: started again there, it goes on where it was."""
    data, file, port = folder / "data", folder / "tidings.toml", free_port()
    file.write_text((settings or Settings()).text())
    with party("tidings", _serve(data, file, port), folder, _ENVIRONMENT) as running:
        yield Target(running, port, data / "admin.key")


def _serve(data: Path, file: Path, port: int) -> list[str]:
    command = Path(sys.executable).parent / "tidings"
    return [str(command), "serve", "--config", str(file), "--data", str(data), "--listen", f"127.0.0.1:{port}"]
