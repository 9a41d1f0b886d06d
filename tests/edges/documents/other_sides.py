"""Answers for the providers that a document sends through: servers on this machine that are as strict as they are.

Whoever follows a document talks to the real ones; here the environment leads each lane to its other side instead. It
must never let a request leave this machine.
"""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final, cast

from anyio.from_thread import start_blocking_portal

from adapters.clock import SystemClock
from tests.edges.channels import graph_api, green_api_server
from tests.edges.channels.fcm_server import FcmServer
from tests.edges.channels.graph_api import GraphApi
from tests.edges.channels.green_api_server import GreenApiServer
from tests.edges.channels.mail_apis import RESEND_KEY, SENDGRID_KEY, FakeResend, FakeSendGrid

DATABASE: Final = "DATABASE_URL"
"""What documents call the URL of their database: for whoever only reads configurations one that is nowhere."""

KEYS: Final[Mapping[str, str]] = {
    "META_TOKEN": graph_api.TOKEN,
    "GREEN_TOKEN": green_api_server.TOKEN,
    "RESEND_KEY": RESEND_KEY,
    "SENDGRID_KEY": SENDGRID_KEY,
    DATABASE: "postgresql://tidings@127.0.0.1/tidings",
    "INSTALLATION_KEY": "1f" * 32,
}
"""The secrets that documents call so."""

Sides = Mapping[str, Mapping[str, str]]
"""Of each provider, the keys of a lane's table that lead it to the other side here."""


@contextmanager
def other_sides() -> Iterator[Sides]:
    """Runs every provider's other side for the length of a block."""
    with start_blocking_portal() as portal, ExitStack() as stack:
        meta = stack.enter_context(portal.wrap_async_context_manager(GraphApi()))
        green = stack.enter_context(portal.wrap_async_context_manager(GreenApiServer(SystemClock(floor_us=0))))
        google = stack.enter_context(portal.wrap_async_context_manager(FcmServer()))
        resend = stack.enter_context(portal.wrap_async_context_manager(FakeResend()))
        sendgrid = stack.enter_context(portal.wrap_async_context_manager(FakeSendGrid()))
        yield {
            "whatsapp_cloud": {"url": meta.url, "phone_number_id": graph_api.PHONE_NUMBER_ID},
            "green_api": {"url": green.url, "instance": green_api_server.INSTANCE},
            "fcm": {"url": google.url, "service_account": google.account()},
            "resend": {"url": resend.url},
            "sendgrid": {"url": sendgrid.url},
        }


def leading(configuration: str, sides: Sides) -> dict[str, str]:
    """The variables that lead the lanes of a configuration to the other sides."""
    lanes = cast("dict[str, dict[str, object]]", tomllib.loads(configuration).get("lanes", {}))
    return {
        f"TIDINGS_LANES__{name}__{lane['provider']}__{key}".upper(): value
        for name, lane in lanes.items()
        for key, value in sides.get(str(lane["provider"]), {}).items()
    }
