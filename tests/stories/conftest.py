"""Plays the stories that are asked for, all at once, before the first of them is looked at."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest

from tests.command import Command, Ran
from tests.platform import platform
from tests.stories.stage import Played, Stage

LANES = 8


@dataclass(frozen=True)
class Performance:
    """What became of each story, by its name, and what the audit says after all of them."""

    played: Mapping[str, Played]
    audit: Ran


@pytest.fixture(scope="session")
async def performance(request, stack, tmp_path_factory) -> AsyncIterator[Performance]:
    items = [item for item in request.session.items if {"performance", "story"} <= set(item.fixturenames)]
    logs = tmp_path_factory.mktemp("stories")
    async with platform(stack.bootstrap, stack.dsn, logs, lanes=LANES, POSTPAY_CLOCK="event") as made:
        played = await Stage(made).play([item.callspec.params["story"] for item in items])
        yield Performance(played, Command(made.environment)("audit", "--json"))
