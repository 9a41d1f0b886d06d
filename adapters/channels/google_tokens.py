"""Access tokens of a Google service account: asked for, kept, and renewed before they end.

This file answers for the signed claim, for one request at a time however many sends wait for a token, and for what a
refusal means (RFC 7523; Google's page on server to server OAuth). It must never send a message, keep a token beyond the
process, or let a key, a claim or a token into an outcome.
"""

import re
from asyncio import Lock, timeout
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.channels.fcm_settings import ServiceAccount, private_key_of
from adapters.channels.http_account import Answer, HttpAccount
from adapters.channels.scrubbing import scrubbed
from adapters.clock import wall_us
from core.outcomes import Ambiguous, Config, Outcome, Transient
from core.policies import MINUTE_US, SECOND_US
from core.ports import Clock

MESSAGING: Final = "https://www.googleapis.com/auth/firebase.messaging"
"""The scope that lets an account send pushes."""

GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Google's page asks for this audience whatever the token_uri is, and its own library sends it always.
AUDIENCE: Final = "https://oauth2.googleapis.com/token"
# The longest that Google lets a claim live; the token it gives lives as long.
CLAIM_S: Final = 3_600
# A token this close to its end is renewed, while those who send meanwhile still use it.
EARLY_US: Final = 5 * MINUTE_US
# Such a renewal waits for its answer no longer than this, since there is a token that holds.
EARLY_PATIENCE_US: Final = 5 * SECOND_US
# After a renewal that failed, a token that still holds is used this long before it is tried again.
PAUSE_US: Final = 30 * SECOND_US

# Errors of RFC 6749 and Google's own that tell of a fault over there and not of our account.
_PASSING: Final = {"internal_failure", "server_error", "temporarily_unavailable"}
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NAME: Final = re.compile(r"[a-z_]{1,64}")


class _Claim(msgspec.Struct, frozen=True, kw_only=True):
    iss: str
    scope: str
    aud: str
    iat: int
    exp: int


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    alg: str = "RS256"
    typ: str = "JWT"
    kid: str


class _Granted(msgspec.Struct, frozen=True, kw_only=True):
    access_token: str
    expires_in: int = CLAIM_S


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    error: str = ""
    error_description: str = ""


_ENCODER: Final = msgspec.json.Encoder()
# Some endpoints write the seconds as a text.
_GRANTED: Final = msgspec.json.Decoder(_Granted, strict=False)
_REFUSAL: Final = msgspec.json.Decoder(_Refusal)


class GoogleTokens:
    """The tokens of one account for one scope. Raises ValueError for a private key that cannot be read.

    `wall_us` tells the time that Google holds a claim against: log time may be ahead of it.
    """

    def __init__(
        self,
        account: ServiceAccount,
        *,
        scope: str,
        clock: Clock,
        agent: str,
        timeout_us: int,
        ca_file: str | None = None,
        wall_us: Callable[[], int] = wall_us,
    ) -> None:
        self._account = account
        self._key = private_key_of(account)
        self._scope = scope
        self._clock = clock
        self._timeout_us = timeout_us
        self._wall_us = wall_us
        address = urlsplit(account.token_uri)
        self._path = address.path or "/"
        self._http = HttpAccount(
            base_url=f"{address.scheme}://{address.netloc}",
            clock=clock,
            agent=agent,
            timeout_us=timeout_us,
            ca_file=ca_file,
        )
        self._lock = Lock()
        self._rounds = 0
        self._latest: str | Outcome = ""
        self._token = ""
        self._renew_us = 0
        self._ends_us = 0

    async def token(self, deadline_us: int) -> str | Outcome:
        """A token that holds for now, or why there is none: never a doubt, since no message has left."""
        now_us = self._clock.now_us()
        if now_us < self._renew_us or (now_us < self._ends_us and self._lock.locked()):
            return self._token
        return await self._next(deadline_us)

    async def another(self, refused: str, deadline_us: int) -> str | Outcome:
        """A token other than one that was refused, or why there is none."""
        if refused == self._token:
            self._renew_us = self._ends_us = 0
        return await self.token(deadline_us)

    async def close(self) -> None:
        """Closes every connection."""
        await self._http.close()

    async def _next(self, deadline_us: int) -> str | Outcome:
        """The answer of the round that is under way, or else of one of our own: nobody asks what was just answered.

        A round that its caller gave up answers nobody; the next in line begins another.
        """
        left_us = deadline_us - self._clock.now_us()
        rounds = self._rounds
        try:
            async with timeout(max(0, left_us) / SECOND_US), self._lock:
                if self._rounds == rounds:
                    self._latest = await self._round()
                    self._rounds += 1
                return self._latest
        except TimeoutError:
            return Transient(code="timeout", detail="waiting for an access token")

    async def _round(self) -> str | Outcome:
        now_us = self._clock.now_us()
        patience_us = EARLY_PATIENCE_US if now_us < self._ends_us else self._timeout_us
        answer = await self._http.request(
            "POST",
            self._path,
            body=urlencode({"grant_type": GRANT, "assertion": self._claim(self._wall_us() // SECOND_US)}).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            deadline_us=now_us + patience_us,
        )
        granted = granted_by(answer, now_us) if isinstance(answer, Answer) else _without_doubt(answer)
        if isinstance(granted, _Granted):
            lives_us = max(0, granted.expires_in) * SECOND_US
            self._token = granted.access_token
            self._ends_us = now_us + lives_us
            self._renew_us = self._ends_us - min(EARLY_US, lives_us // 2)
            return self._token
        if (now_us := self._clock.now_us()) < self._ends_us:
            self._renew_us = min(now_us + PAUSE_US, self._ends_us)
            return self._token
        return granted

    def _claim(self, now_s: int) -> str:
        claim = _Claim(iss=self._account.client_email, scope=self._scope, aud=AUDIENCE, iat=now_s, exp=now_s + CLAIM_S)
        return signed(_Header(kid=self._account.private_key_id), claim, self._key)


def signed(header: msgspec.Struct, claim: msgspec.Struct, key: RSAPrivateKey) -> str:
    """A JSON web token under RS256 (RFC 7515)."""
    content = b".".join(_base64(_ENCODER.encode(part)) for part in (header, claim))
    return (content + b"." + _base64(key.sign(content, PKCS1v15(), SHA256()))).decode("ascii")


def granted_by(answer: Answer, now_us: int) -> _Granted | Outcome:
    """What the token endpoint granted, or what its refusal means for a message that waits for it."""
    if answer.status == 200:
        try:
            granted = _GRANTED.decode(answer.body)
        except _UNREADABLE:
            granted = _Granted(access_token="")
        if granted.access_token.isascii() and granted.access_token.isprintable() and granted.access_token:
            return granted
        return Transient(code="token_unreadable", detail="the token endpoint answered without an access token")
    refusal = _refusal_in(answer.body)
    code = refusal.error if _NAME.fullmatch(refusal.error) else f"token_{answer.status}"
    detail = scrubbed(f"access token: {refusal.error_description}".removesuffix(": "))
    if answer.status in {408, 425, 429} or answer.status >= 500 or code in _PASSING:
        return Transient(code=code, detail=detail, after_us=answer.after_us(now_us))
    # Nobody but the account's owner can mend what is left: the key, the account, its clock or the address.
    return Config(code=code, detail=detail)


def _refusal_in(body: bytes) -> _Refusal:
    try:
        return _REFUSAL.decode(body)
    except _UNREADABLE:
        return _Refusal()


def _without_doubt(outcome: Outcome) -> Outcome:
    return Transient(code=outcome.code, detail=outcome.detail) if isinstance(outcome, Ambiguous) else outcome


def _base64(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")
