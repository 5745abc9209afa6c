"""*Account*: a buyer's line, what is owed and when, and everything that happened."""

from collections.abc import Mapping
from typing import Any

from console.pages import course
from console.routes import Asked, Page
from settlement.party import PartyKind
from storage.stories.account import account_story
from storage.stories.course import lane_of


async def read(asked: Asked) -> Mapping[str, Any] | None:
    """The account `id`; None when no credit line was opened for it."""
    account_id = asked.query.get("id", "")
    lane = await lane_of(asked.connection, PartyKind.ACCOUNT, account_id)
    if lane is None:
        return None
    story = await account_story(asked.connection, account_id, with_history=False)
    assert story is not None, "accounts are never taken away"
    told = story.document()
    del told["history"]
    owed = [{**part, "order_id": order["order_id"]} for order in told["orders"] for part in order["obligations"]]
    owed += [{**part, "cash_out_id": each["cash_out_id"]} for each in told["cash_outs"] for part in each["obligations"]]
    owed += told["other_obligations"]
    return {
        **told,
        "lane": lane,
        "obligations": sorted(owed, key=lambda part: part["due_on"]),
        "course": await course.read(asked, lane, PartyKind.ACCOUNT, account_id),
    }


PAGE = Page("account", "/account", read)
