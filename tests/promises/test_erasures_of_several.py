"""Somebody is forgotten by the daemon that acts, while another takes messages in that knew them."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

import pytest

from actors.peers import EVERYWHERE
from core.errors import BeingForgotten
from core.policies import SECOND_US
from core.records import NO_TENANT
from eventstore.disk import Border
from scenarios.loop.run import run_virtual
from tests.promises.house import living, mail
from tests.promises.other_side import ObedientDisk, Provider
from tests.promises.test_erasures import ANN, private_of
from tests.promises.two_daemons import two_daemons


def test_whoever_stands_by_knows_nobody_who_was_forgotten() -> None:
    """What it takes in for them right after the end is the first of a new conversation, with the names of one."""

    async def main() -> None:
        provider = Provider()
        async with two_daemons(provider=provider) as pair:
            house, beside = pair.acting, pair.beside
            before = await beside.post(ANN, 1)
            other = await beside.post(mail(2), 2)
            await asyncio.sleep(5)
            erasure = await house.system.erasures.begin("org1", "email", ANN)
            state = await house.system.erasures.done("org1", erasure, within_us=60 * SECOND_US)
            assert (state.status, private_of(house.durable)) == ("erased", {other.id})
            after = await beside.post(ANN, 3)
            assert (await beside.post(mail(2), 4)).conversation == other.conversation
            await asyncio.sleep(5)
            assert after.conversation != before.conversation
            name = EVERYWHERE, NO_TENANT, house.secrets.keyed_hash("person", "email", ANN)
            assert house.durable.aliases[name] == [after.id]
            assert provider.numbers(ANN) == [1, 3]

    run_virtual(main)


class LateAnswers(ObedientDisk):
    """A disk whose commits are there a while before anybody is told."""

    def at(self, border: Border, rows: int) -> Awaitable[None] | None:
        """Called at a border of a commit or a read."""
        return asyncio.sleep(0.005) if border == "before_answer" and rows else super().at(border, rows)


@pytest.mark.parametrize("later_ms", range(1, 40, 2))
def test_a_message_that_comes_as_it_ends_is_not_of_the_old_conversation(later_ms: int) -> None:
    """It is erased with the others, or refused for a moment, or begins a new conversation."""

    async def main() -> None:
        async with living(disk=LateAnswers()) as house:
            await house.post(ANN, 1)
            await house.pass_time(1)
            erasure = await house.system.erasures.begin("org1", "email", ANN)
            await house.pass_time(later_ms / 1_000)
            with suppress(BeingForgotten):
                await house.post(ANN, 2)
            state = await house.system.erasures.done("org1", erasure, within_us=60 * SECOND_US)
            await house.pass_time(5)
            kept = {house.message(stream).conversation for stream in private_of(house.durable)}
            assert (state.status, state.conversation in kept) == ("erased", False)

    run_virtual(main)
