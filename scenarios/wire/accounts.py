"""The accounts that a world's lanes have at the providers of the wire: what a configuration file would say of them.

This file answers for settings that the real channels take, secrets included, none of which opens anything outside.
"""

from functools import cache
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.channels.accounts import ProviderSettings, SmtpSettings, WebhookSettings
from adapters.channels.fcm_settings import KEY_BITS_MIN, FcmSettings
from adapters.channels.green_api_settings import GreenApiSettings
from adapters.channels.http_mail_settings import ResendSettings, SendGridSettings
from adapters.channels.whatsapp_cloud_settings import WhatsAppCloudSettings

MAIL_HOST: Final = "mail.wire.example"
ISSUER_HOST: Final = "oauth2.googleapis.com"
SENDER: Final = "Tidings <tidings@wire.example>"
SECRET: Final = "whsec_c2ltdWxhdGVkLXdvcmxkLXdpcmUtc2VjcmV0"  # noqa: S105  # It opens nothing: nobody is there.
TOKEN: Final = "token-of-a-simulated-world"  # noqa: S105  # Likewise.
PHONE_NUMBER_ID: Final = "1000000001"
INSTANCE: Final = "1101000001"
PROJECT: Final = "wire-project"
_USUAL_PUBLIC_EXPONENT: Final = 65_537


def settings_of(provider: str) -> ProviderSettings:
    """The account of a lane at a provider that the wire knows."""
    match provider:
        case "smtp":
            return SmtpSettings(host=MAIL_HOST, tls="none", sender=SENDER)
        case "webhook":
            return WebhookSettings(secrets=(SECRET,))
        case "whatsapp_cloud":
            return WhatsAppCloudSettings(phone_number_id=PHONE_NUMBER_ID, token=TOKEN)
        case "green_api":
            return GreenApiSettings(instance=INSTANCE, token=TOKEN)
        case "resend":
            return ResendSettings(key=TOKEN, sender=SENDER)
        case "sendgrid":
            return SendGridSettings(key=TOKEN, sender=SENDER)
        case "fcm":
            return FcmSettings(service_account=service_account())
        case _:
            raise AssertionError(f"the wire knows no provider {provider}; the file was checked")


@cache
def service_account() -> str:
    """The text of a Google service account. Its key is this process's own: nothing that is recorded depends on it."""
    key = generate_private_key(public_exponent=_USUAL_PUBLIC_EXPONENT, key_size=KEY_BITS_MIN)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "0" * 40,
        "private_key": text,
        "client_email": f"sender@{PROJECT}.iam.gserviceaccount.com",
        "token_uri": f"https://{ISSUER_HOST}/token",
    }
    return msgspec.json.encode(account).decode()
