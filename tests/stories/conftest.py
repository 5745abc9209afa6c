"""Plays the stories that are asked for, all at once, before the first of them is looked at."""

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import pytest

from tests.command import Command, Ran
from tests.platform import platform
from tests.stories.stage import Played, Stage

LANES = 12
COMMANDS_AT_ONCE = 2


@dataclass(frozen=True)
class Performance:
    """What became of each story, by its name, and what the audit says after all of them."""

    played: Mapping[str, Played]
    audit: Ran


@pytest.fixture(scope="session")
async def performance(request, stack, tmp_path_factory) -> AsyncIterator[Performance]:
    items = [item for item in request.session.items if {"performance", "story"} <= set(item.fixturenames)]
    logs = tmp_path_factory.mktemp("stories")
    # Most of the time everybody waits for somebody: more lanes and more commands at once make that less.
    with ProcessPoolExecutor(COMMANDS_AT_ONCE, get_context("spawn")) as executor:
        async with platform(stack.bootstrap, stack.dsn, logs, lanes=LANES, POSTPAY_CLOCK="event") as made:
            played = await Stage(made, executor).play([item.callspec.params["story"] for item in items])
            yield Performance(played, Command(made.environment)("audit", "--json"))
