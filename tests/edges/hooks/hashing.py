"""Answers for signing as a provider does, in the plainest way, where its library only verifies."""

import hmac


def hexdigest(secret: str, body: bytes, algorithm: str = "sha256") -> str:
    """The keyed hash of a body in lower-case hexadecimal digits."""
    return hmac.new(secret.encode(), body, algorithm).hexdigest()
