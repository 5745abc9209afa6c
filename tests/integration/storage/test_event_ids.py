"""Which outcomes take an event_id for ever, across batches and reloads (docs/rules.md, Outcomes)."""

from settlement.decision import Outcome
from settlement.messages import CreditLineOpened, LineFrozen, LineUnfrozen
from settlement.party import Party, PartyKind

BUYER = Party(PartyKind.ACCOUNT, "buyer")


async def outcome(lane, message) -> Outcome:
    (settled,) = await lane.settle([message])
    return settled.decision.outcome


async def test_a_duplicate_by_its_content_takes_its_event_id_though_what_it_repeated_is_gone(lane):
    opened = CreditLineOpened("kuaishou", 10_000, "CNY", score=None, card_linked=True, identity_verified=True)
    await lane.settle([lane.message(opened, BUYER, "e1"), lane.message(LineFrozen("security"), BUYER, "e2")])
    assert await outcome(lane, lane.message(LineFrozen("security"), BUYER, "e3")) is Outcome.DUPLICATE
    assert await outcome(lane, lane.message(LineUnfrozen("security"), BUYER, "e4")) is Outcome.APPLIED

    assert await outcome(lane, lane.message(LineFrozen("security"), BUYER, "e3")) is Outcome.DUPLICATE
    assert await outcome(lane, lane.message(LineFrozen("manual"), BUYER, "e3")) is Outcome.CONFLICT
