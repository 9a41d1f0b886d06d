"""What Meta's error codes come to: one table, for answers to a request and for failures that a hook tells later.

This file answers for classifying an error by its code first, then by what Meta says of it, then by the HTTP status:
Meta asks not to rely on titles, and the status of a code has changed between editions of its page ("Cloud API error
codes"). Which outcome a code has is our decision. It must never raise for what came, nor keep a text unscrubbed.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from adapters.channels.scrubbing import scrubbed
from adapters.loose_json import Json, is_true, members, number, prose
from core.outcomes import (
    Config,
    Failure,
    Hold,
    OptOut,
    Permanent,
    Rate,
    Recipient,
    Taken,
    Transient,
    Window,
    of_provider_status,
)
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US

OUTCOMES: Final[Mapping[int, Failure]] = {
    # Our credentials, account or sender set-up.
    0: Config(),  # the application could not be authenticated
    3: Config(),  # a capability or permission of the application is missing
    10: Config(),  # permission not granted or taken away
    33: Config(),  # the phone number is unknown or was deleted
    102: Config(),  # the session is no longer valid
    190: Config(),  # the token has expired or was revoked
    **dict.fromkeys(range(200, 300), Config()),  # permissions of many kinds
    131005: Config(),  # access denied
    131030: Config(),  # a test number may write to its five allowed numbers only
    131037: Config(),  # the display name is not approved
    131042: Config(),  # the payment method has a problem
    131044: Config(),  # likewise, for calls
    131045: Config(),  # the number's registration or certificate is wrong
    131063: Config(),  # marketing templates are switched off for this API
    133010: Config(),  # the number is not registered
    # The account's integrity: nothing here mends itself, a person has to write to Meta.
    368: Config(),  # restricted for a violation of policy
    131031: Config(),  # locked or disabled
    # Limiters. Those of the application stand behind every number of it, as far as we can tell the account's.
    4: Rate(scope="account"),
    17: Rate(scope="account"),
    32: Rate(scope="account"),
    613: Rate(scope="account"),
    80007: Rate(scope="account"),
    130429: Rate(scope="sender"),  # the number's throughput
    131048: Rate(scope="sender", after_us=HOUR_US),  # too many of its messages were blocked or flagged
    131064: Rate(scope="sender", after_us=HOUR_US),  # the messaging limit, after misclassified templates
    133016: Rate(scope="sender", after_us=HOUR_US),  # registered too often; no answer to a message, so far as known
    131056: Rate(scope="pair", after_us=SECOND_US, growth=4),  # this sender to this recipient: wait 4^n s, says Meta
    # Not now.
    2: Transient(),  # the service is down or overloaded
    131000: Transient(),  # something went wrong
    131016: Transient(),  # a service is unavailable
    131057: Transient(after_us=MINUTE_US),  # maintenance, or an upgrade of throughput, which takes about a minute
    133004: Transient(),  # the server is unavailable
    # Not now, but mostly for a reason that stays.
    1: Transient(retries_max=2),  # unknown; an invalid request has it as well
    131053: Transient(retries_max=2),  # the medium could not be fetched
    135000: Transient(retries_max=2),  # generic
    # This recipient.
    131021: Recipient(),  # is the sender itself
    131026: Recipient(soft=True),  # no account, an old application, terms not accepted, or we are blocked
    131062: Recipient(soft=True),  # known by user id only, which this message may not use; others may
    137000: Recipient(soft=True),  # another identity key than expected
    131050: OptOut(marketing=True),  # stopped marketing messages of this business
    # Not today.
    130472: Hold(after_us=DAY_US),  # in an experiment that gets no marketing messages
    131049: Hold(after_us=DAY_US),  # has had its share of marketing messages
    131047: Window(),  # more than 24 hours since the last message of the recipient
    # This message.
    100: Permanent(),  # an unknown or misspelt parameter
    130497: Permanent(),  # the business may not write to people of this country
    131008: Permanent(),  # a parameter is missing
    131009: Permanent(),  # a parameter's value is wrong
    131020: Permanent(),  # no such group
    131036: Permanent(),  # its time to live has passed
    131041: Permanent(),  # an unknown group
    131051: Permanent(),  # a type that is not supported
    131052: Permanent(),  # a medium of an incoming message could not be fetched
    132000: Permanent(),  # not the number of parameters that the template has
    132001: Permanent(),  # no such template in this language, or not approved
    132005: Permanent(),  # the filled-in text is too long
    132007: Permanent(),  # the template violates a policy
    132008: Permanent(),  # a template parameter's value is not allowed
    132012: Permanent(),  # a template parameter has the wrong form
    132015: Permanent(),  # the template is paused
    132016: Permanent(),  # the template is disabled
    132068: Permanent(),  # the flow is blocked
    132069: Permanent(),  # the flow is throttled
}
"""What each code comes to; the code itself and Meta's text are filled in."""

OUTCOMES_OF_SUBCODES: Final[Mapping[tuple[int, int], Failure]] = {
    # A wrong `phone_number_id` is no fault of the message, though Graph calls it a parameter like any other.
    (100, 33): Config(),
}


class MetaError(msgspec.Struct, frozen=True, kw_only=True):
    """An error as Meta tells it; `text` is for people and may name some. `code` None: it has none that can be read."""

    code: int | None = None
    subcode: int | None = None
    text: str = ""
    is_transient: bool = False


def error_of(part: Json | None) -> MetaError | None:
    """The error in an `error` of an answer or an element of `errors` of a hook; None where there is none."""
    found = members(part)
    if not found:
        return None
    data = found.get("error_data")
    # An object, but on some endpoints the plain text itself.
    details = prose(members(data).get("details")) or prose(data)
    return MetaError(
        code=number(found.get("code")),
        subcode=number(found.get("error_subcode")),
        text=details or prose(found.get("message")) or prose(found.get("title")),
        is_transient=is_true(found.get("is_transient")),
    )


def failure_of(
    error: MetaError | None, *, status: int | None = None, after_us: int | None = None, to: str = ""
) -> Failure:
    """What an error comes to. `status` is that of the answer, None for one that a hook told.

    `after_us` is a wait that the answer asked for by itself; `to` the recipient, whom the detail must not name.
    """
    error = error or MetaError()
    failure = _meaning(error, status)
    code = failure.code if error.code is None else str(error.code)
    failure = msgspec.structs.replace(failure, code=code, detail=scrubbed(error.text, to=to))
    if after_us is not None and isinstance(failure, Rate | Transient):
        return msgspec.structs.replace(failure, after_us=max(failure.after_us or 0, after_us))
    return failure


def _meaning(error: MetaError, status: int | None) -> Failure:
    code = error.code
    if code is not None and error.subcode is not None and (code, error.subcode) in OUTCOMES_OF_SUBCODES:
        return OUTCOMES_OF_SUBCODES[code, error.subcode]
    if code is not None and code in OUTCOMES:
        return OUTCOMES[code]
    if error.is_transient:
        return Transient(code="transient")
    outcome = Permanent(code="unknown") if status is None else of_provider_status(status)
    # An error under a good status is a contradiction, of which the error is the more telling half.
    return Permanent(code="unknown") if isinstance(outcome, Taken) else outcome
