"""*Merchant*: a shop's balances, deposits and cases, and everything that happened."""

from collections.abc import Mapping
from typing import Any

from console.pages import course
from console.routes import Asked, Page
from settlement.party import PartyKind
from storage.stories.course import lane_of
from storage.stories.merchant import merchant_story


async def read(asked: Asked) -> Mapping[str, Any] | None:
    """The merchant `id`; None when neither it nor any order of its was heard of."""
    merchant_id = asked.query.get("id", "")
    lane = await lane_of(asked.connection, PartyKind.MERCHANT, merchant_id)
    if lane is None:
        return None
    story = await merchant_story(asked.connection, merchant_id, with_history=False)
    assert story is not None, "merchants are never taken away"
    told = story.document()
    del told["history"]
    return {**told, "lane": lane, "course": await course.read(asked, lane, PartyKind.MERCHANT, merchant_id)}


PAGE = Page("merchant", "/merchant", read)
