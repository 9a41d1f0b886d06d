"""Answers for what each error of Resend comes to, by its name and its status."""

import pytest
from resend.exceptions import ERRORS

from adapters.channels.http_account import Answer
from adapters.channels.resend_errors import RULES, Reading, outcome_of
from core.outcomes import Config, Hold, OutcomeName, Permanent, Rate, name_of
from core.policies import DAY_US, HOUR_US, SECOND_US
from core.ports import Clock
from tests.edges.channels.http_mails import NOON_US, WHOLE, fresh, send
from tests.edges.channels.mail_apis import FakeResend, refuses, resend_error
from tests.edges.channels.parcels import ACCEPTED_US

pytestmark = pytest.mark.anyio

# Each as the provider's pages have it: status, name, what it comes to.
ERRORS_READ: list[tuple[int, str, str, OutcomeName]] = [
    (400, "validation_error", "`to` is not an address", "permanent"),
    (422, "validation_error", "`to` is not an address", "permanent"),
    (400, "validation_error", "API key is invalid", "config"),
    (401, "validation_error", "API key is invalid", "config"),
    (403, "validation_error", "API key is invalid", "config"),
    (403, "validation_error", "The example.com domain is not verified", "config"),
    (403, "validation_error", "You can only send testing emails to your own address", "config"),
    (422, "missing_required_field", "", "permanent"),
    (422, "missing_required_fields", "", "permanent"),
    (422, "invalid_attachment", "", "permanent"),
    (422, "invalid_parameter", "", "permanent"),
    (400, "invalid_idempotency_key", "", "permanent"),
    (409, "invalid_idempotent_request", "", "permanent"),
    (409, "concurrent_idempotent_requests", "", "transient"),
    (404, "not_found", "", "permanent"),
    (405, "method_not_allowed", "", "permanent"),
    (403, "invalid_from_address", "", "config"),
    (422, "invalid_from_address", "", "config"),
    (422, "invalid_access", "", "config"),
    (422, "invalid_region", "", "config"),
    (451, "security_error", "", "config"),
    (401, "missing_api_key", "", "config"),
    (401, "restricted_api_key", "", "config"),
    (403, "invalid_api_key", "", "config"),
    (403, "suspended_api_key", "", "config"),
    (429, "rate_limit_exceeded", "", "rate"),
    (429, "daily_quota_exceeded", "", "hold"),
    (429, "monthly_quota_exceeded", "", "hold"),
    (500, "application_error", "", "transient"),
    (500, "internal_server_error", "", "transient"),
    # What no page names.
    (401, "new_word", "", "config"),
    (403, "new_word", "", "config"),
    (429, "new_word", "", "rate"),
    (503, "new_word", "", "transient"),
    (302, "", "", "permanent"),
    (418, "new_word", "", "permanent"),
]


@pytest.mark.parametrize("error", ERRORS_READ, ids=lambda error: f"{error[0]} {error[1]} {error[2]}")
async def test_every_error_has_its_outcome(clock: Clock, error: tuple[int, str, str, OutcomeName]) -> None:
    """Over the wire, one request each, and with the code that names it."""
    status, name, message, expected = error
    async with FakeResend(refuses(resend_error(status, name, message))) as api:
        outcome = await send(api, clock, fresh(clock))
    assert name_of(outcome) == expected
    assert outcome.code.removesuffix(" same_key") == f"{status} {name}".rstrip()
    assert len(api.requests) == 1
    assert api.mails == []


def test_every_row_of_the_table_is_met() -> None:
    """Each row decides at least one of the errors above, and each name in the table is among them."""
    met = set()
    for status, name, message, _ in ERRORS_READ:
        for number, rule in enumerate(RULES):
            named = not rule.names or name in rule.names
            if (
                named
                and (not rule.statuses or status in rule.statuses)
                and (not rule.says or rule.says.search(message))
            ):
                met.add(number)
                break
    assert met == set(range(len(RULES)))
    assert {name for rule in RULES for name in rule.names} <= {name for _, name, _, _ in ERRORS_READ}


def test_no_error_that_resend_s_client_knows_is_left_to_its_status() -> None:
    """Their client has a class for each of these; our table has a row with its name."""
    theirs_known = {name for by_name in ERRORS.values() for name in by_name}
    assert len(theirs_known) > 5
    assert theirs_known <= {name for rule in RULES for name in rule.names}


async def test_a_rate_pauses_the_account_for_as_long_as_it_asks(clock: Clock) -> None:
    """`retry-after` counts, else `ratelimit-reset`, both in seconds; nonsense asks for nothing."""
    waits = [{"retry_after": "3", "ratelimit_reset": "9"}, {"ratelimit_reset": "9"}, {"ratelimit_reset": "soon"}, {}]
    async with FakeResend(
        *(refuses(resend_error(429, "rate_limit_exceeded", "Too many requests", **wait)) for wait in waits)
    ) as api:
        outcomes = [await send(api, clock, fresh(clock)) for _ in waits]
    assert outcomes == [
        Rate(code="429 rate_limit_exceeded", detail="Too many requests", scope="account", after_us=after_us)
        for after_us in (3 * SECOND_US, 9 * SECOND_US, None, None)
    ]


@pytest.mark.parametrize(
    ("retry_after", "after_us"), [(None, 12 * HOUR_US), ("1", 12 * HOUR_US), ("172800", 2 * DAY_US)]
)
def test_a_quota_holds_until_it_begins_anew(retry_after: str | None, after_us: int) -> None:
    """Until the next day in UTC: the seconds of the limiter beside it are not for quotas, a longer wait is."""
    status, body, _ = resend_error(429, "daily_quota_exceeded", "You have reached your daily quota")
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    outcome = outcome_of(
        Answer(status=status, headers=headers, body=body), Reading(now_us=NOON_US, accepted_us=ACCEPTED_US)
    )
    assert outcome == Hold(
        code="429 daily_quota_exceeded", detail="You have reached your daily quota", after_us=after_us
    )


@pytest.mark.parametrize("name", ["invalid_from_address", "validation_error"])
async def test_a_sender_that_a_message_named_does_not_stop_the_lane(clock: Clock, name: str) -> None:
    """The lane's own From being refused is our set-up; a From of the message's is the message's fault."""
    refusal = refuses(resend_error(403, name, "The clinic.example domain is not verified"))
    async with FakeResend(refusal, refusal) as api:
        assert isinstance(await send(api, clock, fresh(clock)), Config)
        assert isinstance(await send(api, clock, fresh(clock, WHOLE)), Permanent)
