"""The settings of a Firebase project that pushes go through, and the service account that sends them.

This file answers for names, defaults, and for saying in words what is wrong with a service account's text. It must
never show that text or anything of it, since a private key stands in it, and never read a file or the environment.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.channels.base_urls import base_url_mistake
from core.policies import SECOND_US

# Google's own keys have 2,048 bits; nobody should trust a signature of fewer.
KEY_BITS_MIN: Final = 2_048

# Google Cloud: 6 to 30 letters, digits and hyphens; the oldest projects lie within a domain (`example.com:name`).
_PROJECT: Final = re.compile(r"(?:[a-z0-9.-]{1,100}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")


class FcmSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A Firebase project. `service_account` is the text of the JSON file that Google gives out for one, a secret.

    `project_id` None is the service account's own project. Every attempt ends at the earlier of `timeout_us` and its
    deadline. `ca_file` adds certificates to trust.
    """

    service_account: str
    project_id: str | None = None
    url: str = "https://fcm.googleapis.com"
    timeout_us: int = 30 * SECOND_US
    ca_file: str | None = None

    def __repr__(self) -> str:
        """Never a secret, and so nothing at all."""
        return "FcmSettings(hidden)"


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What a service account's JSON says, so far as sending needs it; the rest of the file is left unread."""

    client_email: str
    private_key: str
    private_key_id: str
    token_uri: str
    project_id: str
    type: str = "service_account"

    def __repr__(self) -> str:
        """Never a secret, and so nothing at all."""
        return "ServiceAccount(hidden)"


def mistakes(settings: FcmSettings) -> list[tuple[str, str]]:
    """Every setting that cannot stand as it is, with what was expected; never with the value, which may be a secret."""
    found = []
    if mistake := base_url_mistake(settings.url):
        found.append(("url", mistake))
    if settings.project_id is not None and not _PROJECT.fullmatch(settings.project_id):
        found.append(("project_id", "a project's id such as my-project-1a2b3"))
    try:
        service_account_of(settings.service_account)
    except ValueError as error:
        found.append(("service_account", str(error)))
    return found


def service_account_of(text: str) -> ServiceAccount:
    """The service account in a JSON text. Raises ValueError with what was expected, and never with a part of it."""
    account = _decoded(text)
    if account.type != "service_account":
        raise ValueError("the key file of a service account, whose type is service_account")
    for name in ("client_email", "private_key_id"):
        value = getattr(account, name)
        if not value or not value.isprintable():
            raise ValueError(f"{name} in the service account to be a text on one line")
    if not _PROJECT.fullmatch(account.project_id):
        raise ValueError("project_id in the service account to be a project's id such as my-project-1a2b3")
    if mistake := base_url_mistake(account.token_uri):
        raise ValueError(f"token_uri in the service account to be {mistake}")
    private_key_of(account)
    return account


def private_key_of(account: ServiceAccount) -> RSAPrivateKey:
    """The key that signs for an account. Raises ValueError with what was expected of it."""
    pem = account.private_key
    if "\\n" in pem and "\n" not in pem.strip():
        # What becomes of a key that went through a shell or an environment file once too often.
        raise ValueError("private_key in the service account with line ends, not with a backslash and an n for each")
    try:
        key = _tested(pem)
    except TypeError:
        raise ValueError("private_key in the service account to be one without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("private_key in the service account to be a whole private key in PEM form") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < KEY_BITS_MIN:
        raise ValueError(f"private_key in the service account to be an RSA key of at least {KEY_BITS_MIN} bits")
    return key


# The test takes 60 ms, and each start and each reload asks for a key three times.
@lru_cache(maxsize=8)
def _tested(pem: str) -> PrivateKeyTypes:
    return load_pem_private_key(pem.encode(), password=None)


def _decoded(text: str) -> ServiceAccount:
    try:
        return msgspec.json.decode(text, type=ServiceAccount)
    except msgspec.ValidationError as error:
        # msgspec tells types and names, never values.
        raise ValueError(f"the JSON of a service account ({error})") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        hint = "; this looks like the name of a file, whose text is wanted" if _names_a_file(text) else ""
        raise ValueError(f"the JSON that Google gives out for a service account{hint}") from None


def _names_a_file(text: str) -> bool:
    return len(text) < 1_000 and text.strip().endswith(".json") and "{" not in text
