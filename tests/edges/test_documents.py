"""Answers for the documents being true: what they show can be read, run and compared, and leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import typer
from typer.core import TyperGroup

from adapters.clock import SystemClock
from adapters.config.loading import load
from adapters.web.routes import ROUTES
from core.outcomes import Taken
from scenarios.console import whole as whole_program
from scenarios.file.loading import read
from tests.edges.channels.endpoints import Endpoint, Received, answers
from tests.edges.channels.parcels import HandOver, parcel_of
from tests.edges.channels.webhooks import channel_of
from tests.edges.documents.configurations import environment, is_scenario, prepare, whole
from tests.edges.documents.other_sides import DATABASE, other_sides
from tests.edges.documents.pages import DOCUMENTS, ROOT, Block, anchors_of, blocks_of, codes_in, links_of, prose_of
from tests.edges.documents.shapes import Names, compare_json, compare_text
from tests.edges.documents.walk import Walk, tools_missing

_BLOCKS: Final = tuple(block for file in DOCUMENTS for block in blocks_of(file))
_COMMAND: Final = re.compile(r"^(?:\.venv/bin/)?tidings (.+)$", re.MULTILINE)
_CALL: Final = re.compile(r"(?:GET|POST|PUT|DELETE) (/[\w/{}.]+)")


def _blocks(*kinds: str) -> list[Block]:
    return [block for block in _BLOCKS if block.kind in kinds]


@pytest.mark.slow
@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.stem)
def test_whoever_follows_a_document_sees_what_it_says(
    file: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every command of a document succeeds, in its order, and answers what the document shows."""
    if missing := tools_missing(file):
        pytest.skip(f"this machine has no {', '.join(missing)}")
    environ = environment(blocks_of(file))
    if DATABASE in environ:
        environ[DATABASE] = request.getfixturevalue("postgres_url")
    with other_sides() as sides:
        done = Walk(tmp_path, environ, sides).follow(file)
    assert done == [block for block in blocks_of(file) if block.kind in {"sh", "console"}]


@pytest.mark.parametrize("block", _blocks("toml"), ids=lambda block: block.place)
def test_every_file_that_is_shown_can_be_read(block: Block, tmp_path: Path) -> None:
    """Each configuration passes the check that a start makes, and each scenario can be run."""
    prepare(tmp_path, [block])
    file = tmp_path / "shown.toml"
    file.write_text(whole(block))
    if is_scenario(block):
        assert read(file.read_text(), file).runs_for_us
    else:
        assert load(file, data=tmp_path, environ=environment([block])).settings.lanes


@pytest.mark.parametrize(
    "file", [*DOCUMENTS, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"], ids=lambda file: file.stem
)
def test_every_link_leads_somewhere(file: Path) -> None:
    """Relative links name files of this repository, and headings that these have; all others are https."""
    for link in links_of(file):
        name, _, anchor = link.partition("#")
        if "://" in link:
            assert link.startswith("https://"), link
            continue
        target = (file.parent / name).resolve() if name else file
        assert target.exists(), f"{file.name} links to {link}, which is not there"
        assert not anchor or anchor in anchors_of(target), f"{target.name} has no heading {anchor!r}"


def test_every_command_that_is_named_exists() -> None:
    """Commands and options in sentences and blocks are those of the program, and each of its commands is told of."""
    group = typer.main.get_command(whole_program())
    assert isinstance(group, TyperGroup)
    named = {_check_command(group, words) for words in _commands()}
    assert {name for name, command in group.commands.items() if not isinstance(command, TyperGroup)} <= named


def _commands() -> Iterator[list[str]]:
    for file in DOCUMENTS:
        shown = [
            *codes_in(prose_of(file)),
            *(block.text for block in blocks_of(file) if block.kind in {"sh", "console"}),
        ]
        for text in shown:
            yield from (found[1].split() for found in _COMMAND.finditer(text))


def _check_command(group: TyperGroup, words: list[str]) -> str:
    command = group.commands[words[0]]
    if isinstance(command, TyperGroup):
        command = command.commands[words[1]]
    known = {option for parameter in command.params for option in parameter.opts}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= known, f"tidings {' '.join(words)}"
    return words[0]


def test_every_call_that_is_named_exists() -> None:
    """Calls in sentences are routes of the API; a path may be told without its method and in short."""
    routes = {route.call for route in ROUTES} | {"GET /openapi.json"}
    named = {
        found[0].rstrip(".")
        for file in DOCUMENTS
        for code in codes_in(prose_of(file))
        for found in _CALL.finditer(code)
    }
    assert named
    assert named <= routes


@pytest.mark.anyio
async def test_the_receiver_that_is_shown_knows_our_deliveries(capsys: pytest.CaptureFixture[str]) -> None:
    """What a lane with that secret posts is taken by the code in the document; what was changed on the way is not."""
    (block,) = (block for block in _blocks("python") if block.file.name == "messages.md")
    room: dict[str, object] = {}
    exec(compile(block.text, block.place, "exec"), room)  # noqa: S102  # To run what is shown is the point.
    receive = room["receive"]
    assert callable(receive)
    delivered = await _delivered()
    assert receive(delivered.headers, delivered.body) == 204
    assert "order.changed" in capsys.readouterr().out
    assert receive(delivered.headers, delivered.body.replace(b"42", b"43")) == 401


async def _delivered() -> Received:
    clock = SystemClock(floor_us=0)
    async with Endpoint(answers(204, b"")) as endpoint, channel_of(clock) as channel:
        assert isinstance(await channel.send(parcel_of(clock, endpoint.url()), HandOver()), Taken)
    return endpoint.received[0]


@pytest.mark.parametrize(
    "printed",
    [
        '{"id": "msg_0000000000002", "status": "queued"}',
        '{"id": "conv_0000000000002", "status": "sent"}',
        '{"id": "msg_0000000000002"}',
        '{"id": "msg_0000000000002", "status": "sent", "more": null}',
        '{"id": "msg_0000000000002", "status": "sent"} {}',
        "",
    ],
)
def test_another_answer_is_noticed(printed: str) -> None:
    """A value, a kind of id, a name or an answer that is not as shown fails the comparison."""
    shown = '{"id": "msg_0000000000001", "status": "sent"}'
    compare_json(shown, '{"id": "msg_0000000000002", "status": "sent"}', Names(), "here")
    with pytest.raises(AssertionError):
        compare_json(shown, printed, Names(), "here")


def test_a_name_stands_for_one_thing() -> None:
    """An id that was shown once means the same one from there on, in texts and in answers."""
    names = Names()
    compare_json('{"id": "msg_0000000000001"}', '{"id": "msg_0000000000009"}', names, "here")
    assert names.real("tidings show msg_0000000000001") == "tidings show msg_0000000000009"
    compare_text("msg_0000000000001 came after 3 ms", "msg_0000000000009 came after 1.2 s", names, "here")
    with pytest.raises(AssertionError):
        compare_text("msg_0000000000001 came", "msg_0000000000008 came", names, "here")
    with pytest.raises(AssertionError):
        compare_json('{"id": "msg_0000000000001"}', '{"id": "msg_0000000000008"}', names, "here")


def test_an_id_in_a_text_stands_for_one_of_its_kind() -> None:
    """A text may show an id first; from there on it is the one that came, and never one of another kind."""
    names = Names()
    compare_text("hook_0000000000002 led to it", "hook_0000000000007 led to it", names, "here")
    assert names.real("hook_0000000000002") == "hook_0000000000007"
    with pytest.raises(AssertionError):
        compare_text("hook_0000000000003 led to it", "msg_0000000000006 led to it", names, "here")
