"""Answers for what each answer of Green API comes to, and for what is kept of its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from adapters.channels.green_api_answers import (
    CHECKS_AFTER_US,
    REFUSED_WITH_OK,
    RULES,
    STARTING_AFTER_US,
    Rule,
    outcome_of,
    rule_of,
)
from adapters.channels.http_account import Answer
from core.outcomes import Config, Hold, Outcome, OutcomeName, Permanent, Rate, Taken, Transient, name_of
from core.policies import HOUR_US, SECOND_US
from tests.edges.channels.green_api_server import INSTANCE, TOKEN

pytestmark = pytest.mark.slow

NOON_US = 1_769_774_400_000_000  # 2026-01-30T12:00:00Z

INVALID = "Validation failed. Details: 'chatId' must be one of the next formats: 'phone_number@c.us' or 'group_id@g.us'"
PAGE = "<html><head><title>502 Bad Gateway</title></head></html>"
INVOKED = (
    '{"invokeStatus":{"method":"sendmessage","used":"100","total":100,"status":"QUOTE_EXCEEDED","description":"x"}}'
)
CORRESPONDENTS = (
    '{"invokeStatus":{"method":"sendmessage","used":67,"total":0,"status":"QUOTE_ALLOWED"},"correspondentsStatus":'
    '{"used":3,"total":3,"status":"CORRESPONDENTS_QUOTE_EXCEEDED","description":"79001112233@c.us,79004445566@c.us"}}'
)

TABLE: list[tuple[int, str, OutcomeName, str]] = [
    # Taken, as a string or as a number.
    (200, '{"idMessage":"3EB0C767D097B7C7C030"}', "taken", "200"),
    (200, '{"idMessage":123456789012345678}', "taken", "200"),
    (200, '{"idMessage":"3EB0","status":true}', "taken", "200"),
    (200, '{"idMessage":"3EB0","message":null,"reason":[],"invokeStatus":null}', "taken", "200"),
    # A refusal that looks like a success.
    (200, '{"status":false,"reason":"instance is starting or not authorized"}', "transient", "200 not_authorized"),
    (200, '{"status":false,"reason":"who knows"}', "transient", "200 refused"),
    (200, '{"status":false}', "transient", "200 refused"),
    (200, '{"status":false,"reason":"Instance is deleted"}', "config", "200 deleted"),
    # A success that may be one.
    (200, "{}", "ambiguous", "200 no_id"),
    (200, "", "ambiguous", "200 no_id"),
    (200, '{"idMessage":""}', "ambiguous", "200 no_id"),
    (200, '{"idMessage":null}', "ambiguous", "200 no_id"),
    (200, '{"idMessage":"3EB0C767D0', "ambiguous", "200 no_id"),
    (200, "<html>account is suspended</html>", "ambiguous", "200 no_id"),
    (204, "", "ambiguous", "204 no_id"),
    # The instance.
    (400, "instance is starting or not authorized", "transient", "400 not_authorized"),
    (400, '{"message":"instance account not authorized"}', "transient", "400 not_authorized"),
    (400, "instance in starting process try later", "transient", "400 starting"),
    (400, '"instance in starting process try later"', "transient", "400 starting"),
    (400, "Instance account is expired. Renew your instance from personal area", "config", "400 expired"),
    (400, '{"message":"Instance is deleted"}', "config", "400 deleted"),
    (400, "You have used up the chat limit on your tariff. Renew you instance", "config", "400 quota"),
    (403, "Your account is suspended", "config", "403 suspended"),
    (401, "", "config", "401"),
    (403, "Forbidden", "config", "403"),
    (404, "<html>Not Found</html>", "config", "404"),
    (301, "", "config", "301 redirect"),
    (307, "", "config", "307 redirect"),
    # This message.
    (400, '{"statusCode":400,"message":"' + INVALID + '"}', "permanent", "400"),
    (400, "bad request data", "permanent", "400"),
    (400, "", "permanent", "400"),
    (405, "", "permanent", "405"),
    (413, "", "permanent", "413"),
    (
        500,
        '{"message":"File from url exceeded max upload size. Size: 120mb Limit: 100mb"}',
        "permanent",
        "500 too_large",
    ),
    # Pace and quotas.
    (429, "", "rate", "429"),
    (466, INVOKED, "config", "466 QUOTE_EXCEEDED"),
    (466, CORRESPONDENTS, "config", "466 CORRESPONDENTS_QUOTE_EXCEEDED"),
    (466, "", "config", "466"),
    (466, '{"invokeStatus":null}', "config", "466"),
    (469, '{"message":"User get contact info limit reached"}', "hold", "469 checks"),
    # In between.
    (408, "", "transient", "408"),
    (425, "", "transient", "425"),
    (503, PAGE, "transient", "503"),
    (499, "", "ambiguous", "499"),
    (500, "Internal Server Error", "ambiguous", "500"),
    (502, PAGE, "ambiguous", "502"),
    (504, PAGE, "ambiguous", "504"),
    (524, "", "ambiguous", "524"),
]


def read(status: int, body: str | bytes, **headers: str) -> Outcome:
    """What an answer comes to."""
    content = body if isinstance(body, bytes) else body.encode()
    answer = Answer(status=status, headers=CIMultiDict(headers), body=content)
    return outcome_of(answer, now_us=NOON_US, to="+79001234567", token=TOKEN)


@pytest.mark.parametrize(("status", "body", "name", "code"), TABLE)
def test_every_answer_has_its_outcome(status: int, body: str, name: OutcomeName, code: str) -> None:
    """The table of statuses and words, from the top."""
    outcome = read(status, body)
    assert (name_of(outcome), outcome.code) == (name, code)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.means}-{rule.word}")
def test_every_line_of_the_table_is_reached(rule: Rule) -> None:
    """No line is hidden behind an earlier one, and each has an answer above that shows what it does."""
    reached = [rule_of(REFUSED_WITH_OK if '"status":false' in body else status, body) for status, body, _, _ in TABLE]
    assert any(found is rule for found in reached)


def test_the_id_is_kept_as_a_text() -> None:
    """Ids of 18 digits are not rounded, and are texts like all others."""
    assert read(200, '{"idMessage":"3EB0"}') == Taken(code="200", provider_id="3EB0")
    assert read(200, '{"idMessage":123456789012345678}') == Taken(code="200", provider_id="123456789012345678")


def test_an_instance_that_starts_is_asked_again_in_half_a_minute() -> None:
    """Neither at once nor by the schedule alone: a start takes seconds, a login a person."""
    for status, body in ((400, "in starting process try later"), (200, '{"status":false,"reason":"x"}')):
        outcome = read(status, body)
        assert isinstance(outcome, Transient)
        assert outcome.after_us == STARTING_AFTER_US == 30 * SECOND_US


@pytest.mark.parametrize(
    ("asked", "after_us"),
    [(None, SECOND_US), ("0", SECOND_US), ("7", 7 * SECOND_US), ("nonsense", SECOND_US)],
)
def test_a_limiter_pauses_the_sender_for_a_second_at_least(asked: str | None, after_us: int) -> None:
    """Its limits are counts a second; a longer wait that it asks for is heeded."""
    outcome = read(429, "") if asked is None else read(429, "", **{"Retry-After": asked})
    assert outcome == Rate(code="429", scope="sender", after_us=after_us)


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    """503 is refused before anything was queued, and its Retry-After counts."""
    outcome = read(503, "", **{"retry-after": "20"})
    assert outcome == Transient(code="503", after_us=20 * SECOND_US)


def test_a_limit_on_checks_holds_the_message_for_two_hours() -> None:
    """469 is counted over hours, and uses up no attempt."""
    outcome = read(469, "")
    assert isinstance(outcome, Hold)
    assert outcome.after_us == CHECKS_AFTER_US == 2 * HOUR_US


def test_a_quota_keeps_the_numbers_of_others_to_itself() -> None:
    """The description of a quota lists other people's chats, of which nothing is kept."""
    outcome = read(466, CORRESPONDENTS)
    assert outcome == Config(code="466 CORRESPONDENTS_QUOTE_EXCEEDED", detail="the quota of the tariff is used up")
    odd = read(466, '{"invokeStatus":{"status":"79001112233@c.us EXCEEDED"}}')
    assert odd == Config(code="466", detail="the quota of the tariff is used up")


def test_words_are_kept_without_people() -> None:
    """What was wrong is told, without the number that it was wrong with."""
    outcome = read(400, '{"message":"Validation failed. Details: \'chatId\' 79001234567@c.us is odd"}')
    assert outcome == Permanent(code="400", detail="Validation failed. Details: 'chatId' <address> is odd")


@pytest.mark.parametrize(
    "body",
    [
        f'{{"statusCode":400,"path":"/waInstance{INSTANCE}/sendMessage/{TOKEN}","message":"Validation failed"}}',
        f'{{"statusCode":400,"path":"/waInstance{INSTANCE}/sendMessage/{TOKEN}","message":["Validation failed"]}}',
        f'{{"message":"POST /waInstance{INSTANCE}/sendMessage/{TOKEN} is odd"}}',
        f'{{"message":"the token {TOKEN}, is odd"}}',
        f"Cannot POST /waInstance{INSTANCE}/sendMessage/{TOKEN}",
        f"<html>https://api.example.com/waInstance{INSTANCE}/sendMessage/{TOKEN}</html>",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 466, 469, 500, 502, 503])
def test_no_answer_gives_the_token_away(status: int, body: str) -> None:
    """Errors repeat the path, and the token stands in the path: nothing of it is kept, whatever the answer's shape."""
    shown = repr(read(status, body))
    assert TOKEN not in shown
    assert INSTANCE not in shown
    assert "waInstance" not in shown


def test_a_short_token_is_not_given_away_either() -> None:
    """Nor one that looks like a word, wherever it is quoted."""
    answer = Answer(status=400, headers=CIMultiDict(), body=b'{"message":"the token seaside42 is odd"}')
    outcome = outcome_of(answer, now_us=NOON_US, to="+79001234567", token="seaside42")
    assert outcome == Permanent(code="400", detail="the token <token> is odd")


@given(status=st.integers(min_value=100, max_value=999), body=st.binary(max_size=200))
def test_any_answer_has_an_outcome(status: int, body: bytes) -> None:
    """Whatever comes back is classified, never raised."""
    assert read(status, body).code.startswith(str(status))


@pytest.mark.parametrize("body", [b'{"x":' * 100_000, b"[" * 100_000, b'"\xff"', b'{"idMessage":"\xff"}', b"\x00"])
def test_hostile_bodies_have_an_outcome_too(body: bytes) -> None:
    """Nesting without end and bytes that are no text are in doubt like any other answer without an id."""
    assert name_of(read(200, body)) == "ambiguous"
