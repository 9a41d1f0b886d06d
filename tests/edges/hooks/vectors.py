"""Answers for hooks whose signatures are known: made by the providers' own libraries, each checked by a second one.

It must never hold one that our own code made.
"""

import hashlib
from typing import Final

from tests.edges.hooks.posts import AT_S

# Standard Webhooks, by the Python library; checked by those for JavaScript and by Svix's and Resend's.
STANDARD_ONE: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
STANDARD_TWO: Final = "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM="
STANDARD_BODY: Final = b'{"type":"message.delivered","timestamp":"2026-01-01T00:00:00Z","data":{"id":"ntf_1"}}'
STANDARD_ID: Final = "msg_tidings_0001"
BY_ONE: Final = "v1,F1/yM9NlipPgyEwiklTYHigaIRpcgefHooUeILz3sHU="
BY_TWO: Final = "v1,WiVtixjBeI4CUWh1qsw4VYIXVH6B9YaM6covQcfa0cU="
# Ed25519, by the library `cryptography`; checked by Node's.
STANDARD_PUBLIC: Final = "whpk_ebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ="
STANDARD_PRIVATE: Final = (
    "whsk_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB5tVYuj+ZU+UB4sRLoqYunkB+FOuaVvtfg45ELrQSWZA=="
)
STANDARD_SEED: Final = "whsk_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
BY_KEY: Final = "v1a,2pfgZg484AVyfzBMI4QxFOXjRwLrRR7wHoMBwHGlmZ+Ev+QSnp/gzFzbIr73wb5eTrjhxe25ONB2K6bBdNi4BQ=="
# Secret, id, second, body, signature.
STANDARD: Final[list[tuple[str, str, int, bytes, str]]] = [
    (STANDARD_ONE, STANDARD_ID, AT_S, STANDARD_BODY, BY_ONE),
    (STANDARD_TWO, STANDARD_ID, AT_S, STANDARD_BODY, BY_TWO),
    (
        *(STANDARD_ONE, "msg_tidings_0002", AT_S, '{"text":"Привет ☕ \\"q\\""}'.encode()),
        "v1,NUn/wWcwo58KKJv2ZgMtPhvZpro8o7Gs/HN4KDOsTFY=",
    ),
    (STANDARD_ONE, "msg_tidings_0003", AT_S, b"", "v1,nflqUQz6FKQyvuQxBdfQxZQQW+joT/vXCppGSY2ADpQ="),
    (
        *("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330),
        *(b'{"test": 2432232314}', "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ),
    (STANDARD_PUBLIC, STANDARD_ID, AT_S, STANDARD_BODY, BY_KEY),
    (STANDARD_PRIVATE, STANDARD_ID, AT_S, STANDARD_BODY, BY_KEY),
    (STANDARD_SEED, STANDARD_ID, AT_S, STANDARD_BODY, BY_KEY),
]

# Stripe, by the Python library; checked by the one for JavaScript.
STRIPE_OLD: Final = "whsec_test_old"
STRIPE_NEW: Final = "whsec_test_new"
STRIPE_BODY: Final = b'{"id":"evt_tidings_1","object":"event","type":"payment_intent.succeeded"}'
OLD_V1: Final = "v1=a7d9d1d390ff314debf4b23709a21d93c5976280a5f1426d3d285ba85612f85a"
NEW_V1: Final = "v1=3818e83237c987559f2a5161e9eee2aff5ed8c1ac0a2f9db2315dc6f9a649845"
V0: Final = "v0=" + "0" * 64
STRIPE_WIDE_BODY: Final = '{"id":"evt_tidings_2","object":"event","data":{"object":{"name":"Zoë"}}}'.encode()
STRIPE_WIDE_V1: Final = "v1=697168fd39bfa3faae61996d9af77604db9115980e80e39c64f8043c97f333d8"

# Meta, accepted by pywa and by a library for JavaScript. The escapes are Meta's own.
META_SECRET: Final = "app-secret-1"
META_BODY: Final = (
    rb'{"object":"whatsapp_business_account","entry":[{"id":"102","changes":[{"field":"messages","value":{"messages":'
    rb'[{"from":"15550001111","id":"wamid.A","timestamp":"1767225600","type":"text",'
    rb'"text":{"body":"caf\u00e9 \ud83d\ude00 a\/b"}}]}}]}]}'
)
META_SIGNATURE: Final = "sha256=36dd39c9160e9854654d9abfb903675405620e8a6ffd5510df476e51739591ab"

# GitHub: the first is the one that its own documentation publishes; both by its library for JavaScript.
GITHUB: Final[list[tuple[str, bytes, str]]] = [
    (
        "It's a Secret to Everybody",
        b"Hello, World!",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    ),
    (
        "gh-secret",
        '{"action":"opened","title":"naïve ✓"}'.encode(),
        "sha256=07e24c195fda4827cfc7a7b949dae970e8781e7db6f76d23cdbc8bf6d8a337a8",
    ),
]

# Twilio, the same from its libraries for Python and JavaScript; the last by the one for Python alone.
TWILIO_TOKEN: Final = "12345"
TWILIO_PUBLIC_URL: Final = "https://tidings.example"
TWILIO_PATH: Final = "/hooks/twilio?src=a"
TWILIO_FORM: Final = b"To=%2B18005551212&From=%2B14158675309&Body=Hi+there+%C3%A9&MessageSid=SM1&NumMedia=0"
TWILIO_SIGNATURE: Final = "y7TW7rkCDrUinEoHvxeS6zdTlbA="
TWILIO_SIGNATURE_WITH_PORT: Final = "aDOBzQV7G8DCJtsP3WUpwHsz4d8="
TWILIO_REPEATED_FORM: Final = b"MediaUrl=b&MediaUrl=a&MediaUrl=a&Body=x"
TWILIO_REPEATED_SIGNATURE: Final = "vX+hckLsabaA4p8Y4DV4dM0gOgY="
TWILIO_PAGE_URL: Final = "https://mycompany.com"
TWILIO_PAGE_PATH: Final = "/myapp.php?foo=1&bar=2"
TWILIO_PAGE_FORM: Final = (
    b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"
)
TWILIO_PAGE_SIGNATURE: Final = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
TWILIO_JSON: Final = b'{"event":"x","n":1}'
TWILIO_JSON_PATH: Final = "/hooks/twilio?bodySHA256=27ebfe91a318dc07829eec267640f3751e9a3cdc12079c47803ad76b3404b82e"
TWILIO_JSON_SIGNATURE: Final = "ZKB1BlRr3KMBJVNO1Lg5AWNyaFk="
TWILIO_SHARED_SIGNATURE: Final = "/lDo249kYpZAZA+wn8ZYjix3TGsp0xrHwh/R+Lw8Bao="

# SendGrid, verified by its libraries for Python and JavaScript.
SENDGRID_KEY: Final = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEUVw9brnjlrkE0/7Kf1T9zQzB6Ze/N13KUVrQpsO0A19FNr46UPMY+/mlR1kCoiFQK+8NV+CMU7LMClbx"
    "fZ+TVA=="
)
SENDGRID_BODY: Final = (
    b'[{"email":"a@example.com","event":"delivered","sg_event_id":"e1","sg_message_id":"m1.filter",'
    b'"timestamp":1767225600}]\r\n'
)
SENDGRID_SIGNATURE: Final = (
    "MEUCIQDvYa0C6h8Fevr5XuuF73mEfGT2UDP+Po98Vd2fUmUSqgIgL2aRFHNEOiDOhr0P81Wck4PGTMTUGL6k494oCB28WlM="
)

# What the vectors were made over, so that a slip of a key in this file is no mystery.
assert [len(body) for body in (STANDARD_BODY, STRIPE_BODY, STRIPE_WIDE_BODY, META_BODY)] == [85, 73, 73, 240]
assert hashlib.sha256(META_BODY).hexdigest().startswith("8b0af5ace3bcd17b")
assert hashlib.sha256(STANDARD[2][3]).hexdigest().startswith("11bbddc0569862b0")
