"""The tables of sources of hooks: which keys `[hooks.X]` has, and how each is read.

This file answers for the form only. What a key means stands with its scheme, adapters/hooks/accounts.py,
or of its handler, adapters/channels/forward_settings.py; which scheme has which is checked in hooks.py.
"""

import re
from typing import Annotated, Final, get_args

from msgspec import UNSET, UnsetType, field

from adapters.config.hidden import Secret
from adapters.config.kinds import PositiveUs, Table, Text
from adapters.config.providers import RequiredSecret, RequiredText, Switch
from adapters.config.reading import Required
from adapters.config.tables import LanePolicyTable
from adapters.config.units import Unfit, choice, size
from adapters.hooks.accounts import SCHEMES, Encoding, Hash
from adapters.hooks.scalars import steps_of
from adapters.hooks.sources import BODY_BYTES_MOST

# As adapters/web/auth.py takes it from a header.
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def _tenant(raw: object) -> str:
    if isinstance(raw, str) and _TENANT.fullmatch(raw):
        return raw
    raise Unfit("1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit")


def _pointer(raw: object) -> str:
    try:
        steps_of(raw if isinstance(raw, str) else "no pointer")
    except ValueError as error:
        raise Unfit(str(error).removeprefix("expected ")) from None
    return str(raw)


def _body_max(raw: object) -> int:
    bytes_max = size(raw)
    if bytes_max > BODY_BYTES_MOST:
        raise Unfit(f'a size of at most "{BODY_BYTES_MOST >> 20}MiB"')
    return bytes_max


class SharedKeyTable(Table, frozen=True, kw_only=True):
    """A key of Twilio's, under the id by which its hooks name it."""

    id: RequiredText = ""
    secret: RequiredSecret | UnsetType = UNSET


class HookTable(Table, frozen=True, kw_only=True):
    """One source of hooks. See the settings of its scheme, and ForwardSettings for its handler."""

    scheme: Annotated[str, choice(*SCHEMES), Required] = ""
    secrets: tuple[Secret, ...] | UnsetType = UNSET
    tenant: Annotated[str, _tenant] = "default"
    forward: Text | UnsetType = UNSET
    order_by: Annotated[str, _pointer] | UnsetType = UNSET
    lanes: tuple[Text, ...] | UnsetType = UNSET
    body_bytes_max: Annotated[int, _body_max] | UnsetType = field(default=UNSET, name="body_max")
    policy: LanePolicyTable = LanePolicyTable()
    # What single schemes have.
    tolerance_us: PositiveUs | UnsetType = field(default=UNSET, name="tolerance")
    verify_token: Secret | UnsetType = UNSET
    instances: tuple[Text, ...] | UnsetType = UNSET
    shared_keys: tuple[SharedKeyTable, ...] | UnsetType = UNSET
    header: Text | UnsetType = UNSET
    hash: Annotated[Hash, choice(*get_args(Hash))] | UnsetType = UNSET
    encoding: Annotated[Encoding, choice(*get_args(Encoding))] | UnsetType = UNSET
    prefix: Text | UnsetType = UNSET
    user: Text | UnsetType = UNSET
    id_header: Text | UnsetType = UNSET
    id_pointer: Text | UnsetType = UNSET
    # What a handler has.
    signing_secrets: tuple[Secret, ...] | UnsetType = UNSET
    allow_private: tuple[Text, ...] | UnsetType = UNSET
    allow_http: Switch | UnsetType = UNSET
    timeout_us: PositiveUs | UnsetType = field(default=UNSET, name="timeout")
    keep_alive_us: PositiveUs | UnsetType = field(default=UNSET, name="keep_alive")
    ca_file: Text | UnsetType = UNSET


class HooksTable(Table, frozen=True, kw_only=True):
    """All sources of a file."""

    hooks: dict[str, HookTable] = field(default_factory=dict)
