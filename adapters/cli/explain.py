"""`explain`: why a message stands where it stands, asked of a daemon or of the log itself.

This file answers for reading arguments and for the lines that are printed; what they say comes from elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, cast

import typer

from adapters.cli.ending import misused
from adapters.cli.logfile import log_file, refusals_told
from adapters.cli.options import DATA, Data, Json, Key, Store, Tenant, Url
from adapters.cli.printing import as_json, instant, line
from adapters.cli.remote import Answer, reach


def mount(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("explain")(_explain)


def _explain(
    message: Annotated[str, typer.Argument(help="A message's id")],
    *,
    store: Store = None,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
    tenant: Tenant = None,
    json_: Json = False,
) -> None:
    """Tells why a message stands where it stands: what led to it, what was decided, what binds it, what may follow.

    With --store the log itself is asked: what its daemon would say if it started on it now.
    """
    if store is None:
        explanation = reach(url, key, data, tenant).get("v1", "messages", message, "explain")
    else:
        explanation = _from_log(log_file(store, data), message)
    if json_:
        as_json(explanation)
        return
    for sentence in _told(explanation):
        line(sentence)


def _from_log(file: Path, message: str) -> Answer:
    import anyio
    import msgspec

    from adapters.explaining_log import explained
    from adapters.web.explain import ExplanationAnswer
    from core.ids import decode

    stream = decode("msg", message) or decode("hook", message)
    if stream is None:
        raise misused(f"{message} is no message's id.")
    with refusals_told():
        explanation = ExplanationAnswer.of(anyio.run(explained, file, stream))
    return cast("Answer", msgspec.to_builtins(explanation))


def _told(explanation: Answer) -> Iterator[str]:
    """The lines of an explanation; times are UTC."""
    yield f"{explanation['id']}: {explanation['says']}"
    yield f"as of {instant(explanation['at'])}; times are UTC"
    chain = _rows(explanation["chain"])
    if len(chain) > 1:
        yield ""
        yield from (_link(link, str(explanation["id"])) for link in chain)
        if explanation["chain_goes_on"]:
            yield "and more"
    yield ""
    for decision in _rows(explanation["decisions"]):
        version = decision["policy_version"]
        by = "" if version is None else f" [policy version {version}]"
        yield f"{instant(decision['at'])}  {decision['says']}{by}"
    also = _rows(explanation["also"])
    if also:
        yield ""
        yield from (f"Also: {one['says']}" for one in also)
    yield ""
    yield from _what_may_follow(explanation)


def _link(link: Mapping[str, object], own: str) -> str:
    how = {
        "request": "asked for",
        "caused": "caused by what is not told" if link["cause"] is None else f"caused by {link['cause']}",
        "fallback": f"took the place of {link['cause']}",
        "device": f"of {link['cause']}, for one device",
        "plan": f"wanted by {link['cause']}",
    }[str(link["how"])]
    what = "a plan" if link["channel"] is None else f"{link['channel']}, {link['status']}"
    mark = "->" if link["id"] == own else "  "
    return f"{mark} {link['id']}  {what}, {how}"


def _what_may_follow(explanation: Answer) -> Iterator[str]:
    conclusion = cast("Answer | None", explanation["conclusion"])
    if conclusion is not None:
        yield f"What ended it: {conclusion['says']}"
        releases = _rows(conclusion["may_still"])
        yield "Nothing more can happen to it." if not releases else "What may still happen:"
    else:
        releases = _rows(explanation["releases"])
        if releases:
            yield "What would set it going:"
    for release in releases:
        call = "" if release["call"] is None else f": {release['call']}"
        yield f"- {release['says']}{call}"


def _rows(value: object) -> Sequence[Answer]:
    return cast("Sequence[Answer]", value)
