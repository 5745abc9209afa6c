"""*Payouts*: money that is to leave the platform, and what nobody has answered yet."""

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

from console import queries
from console.paging import turns
from console.queries import ROWS
from console.rendering import link
from console.routes import Asked, Page
from contracts.outputs import PayoutRequested
from storage import payouts
from storage.payouts import PartysPayout, PayoutFilter, PayoutPlace

PATH = "/payouts"
FILTERS = ("state", "key", "payout_id", "reason", "since", "until")
STATES = {"open": True, "all": False}
REASONS = get_args(get_type_hints(PayoutRequested)["reason"])
"""Codes, the only ones that any payout has: for another, all would be read in vain."""


async def read(asked: Asked) -> Mapping[str, Any]:
    """Those that agree with what is asked for, the newest first; sums of what is not answered."""
    query = asked.query
    state = queries.choice(query, "state", STATES, "open") or "open"
    wanted = PayoutFilter(
        unanswered=STATES[state],
        party_id=queries.text(query, "key"),
        payout_id=queries.text(query, "payout_id"),
        reason=queries.choice(query, "reason", REASONS),
        since=queries.instant(query, "since"),
        until=queries.instant(query, "until"),
    )
    after = queries.place(query, PayoutPlace)
    found = await payouts.payouts(asked.connection, wanted, limit=ROWS + 1, after=after)
    chosen = queries.given(query, FILTERS)
    sums = await payouts.unanswered_sums(asked.connection)
    return {
        "state": state,
        "given": chosen,
        "looks": [{"state": each, "look": link(PATH, **{**chosen, "state": each})} for each in STATES],
        "sums": [
            {
                "kind": each.party_kind,
                "reason_code": each.reason,
                "currency": each.currency,
                "count": each.payouts,
                "amount_minor": each.amount_minor,
                "oldest_at": each.oldest_at,
            }
            for each in sums
        ],
        "is_more": sum(each.payouts for each in sums) >= payouts.SUMMED_AT_MOST,
        "rows": [_row(each) for each in found[:ROWS]],
        **turns(PATH, chosen, found, ROWS, after),
    }


def _row(each: PartysPayout) -> dict[str, Any]:
    told = each.payout.document()
    told["reason_code"] = told.pop("reason")
    return {"lane": each.lane, "kind": each.party.kind, "party_id": each.party.id, **told}


PAGE = Page("payouts", PATH, read)
