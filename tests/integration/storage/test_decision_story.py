"""The story of a decision tells what became of an event, and what followed."""

from dataclasses import replace
from datetime import timedelta

from settlement.entities import CaseKind
from settlement.messages import (
    CaseOpened,
    MerchantActivity,
    MerchantRegistered,
    PurchaseReceived,
    RepaymentReversed,
)
from storage.stories.account import account_story
from storage.stories.decision import decision_story
from tests.integration.storage.settling import START, account, merchant
from tests.unit.settlement.builders import (
    cashed_out,
    deposited,
    opened,
    refund_asked,
    repaid,
)

BUYER, SHOP = account("buyer"), merchant("shop")


async def test_the_story_of_a_decision_tells_postings_and_outputs(buyer):
    connection = buyer.connection
    story = (await decision_story(connection, "purchase", "event-1")).document()
    assert (story["outcome"], story["reason"], story["party_id"], story["lane"]) == ("applied", None, "buyer", 0)
    assert story["postings"] == [
        {"debit": "limit_held", "credit": "limit_available", "currency": "CNY", "amount_minor": 10_000}
    ]
    assert [each["type"] for each in story["outputs"]] == ["notification.requested"]
    assert len(story["outputs"][0]["event_id"]) == 36
    assert (story["repeats"], story["keys"]) == ([], ["buyer"])


async def test_the_stories_of_a_cash_out_and_of_a_reversal_tell_what_they_moved(lane):
    await lane.send(
        BUYER,
        replace(opened("taobao"), identity_verified=True),
        cashed_out(3_000),
        repaid(1_000),
        RepaymentReversed("repayment", "chargeback"),
    )
    story = (await decision_story(lane.connection, "credit-line", "event-1")).document()
    assert [(each["debit"], each["credit"], each["amount_minor"]) for each in story["postings"]] == [
        ("limit_used", "limit_available", 3_000),
        ("receivable", "payout_clearing", 3_000),
    ]
    assert [each["type"] for each in story["outputs"]] == ["payout.requested", "notification.requested"]
    story = (await decision_story(lane.connection, "repayment", "event-3")).document()
    assert [(each["debit"], each["credit"], each["amount_minor"]) for each in story["postings"]] == [
        ("receivable", "gateway_clearing", 1_000),
        ("limit_used", "limit_available", 1_000),
    ]
    assert (story["type"], story["reason"]) == ("repayment.reversed", None)
    shown = (await account_story(lane.connection, "buyer")).document()
    (cash_out,) = shown["cash_outs"]
    assert (cash_out["cash_out_id"], cash_out["amount_minor"]) == ("cash-out", 3_000)
    assert [(each["principal_minor"], each["paid_minor"]) for each in cash_out["obligations"]] == [(3_000, 0)]
    assert shown["other_obligations"] == []


async def test_the_story_of_a_decision_tells_all_reasons_and_its_repetitions(lane):
    await lane.send(SHOP, MerchantRegistered("CNY", 7), deposited(), CaseOpened(CaseKind.PROMOTION, "spring"))
    await lane.send(SHOP, MerchantActivity("CNY", 1, 1))
    asked = lane.message(refund_asked(), SHOP, "asked", START + timedelta(days=5))
    again = replace(asked, source=replace(asked.source, offset=9))
    conflict = replace(asked, source=replace(asked.source, offset=10), fingerprint=b"other")
    await lane.settle([asked, again, conflict])
    story = (await decision_story(lane.connection, "deposit-refund-request", "asked")).document()
    assert (story["outcome"], story["reason"]) == ("declined", "promotion_active")
    assert story["reasons"] == ["promotion_active", "after_sale_open"]
    assert [(each["outcome"], each["offset"]) for each in story["repeats"]] == [("duplicate", 9), ("conflict", 10)]


async def test_what_waits_and_what_is_dead_has_a_story_too(lane):
    await lane.settle([lane.message(PurchaseReceived("order"), BUYER, "event")])
    story = (await decision_story(lane.connection, "purchase", "event")).document()
    assert (story["outcome"], story["waits_for"]) == ("parked", "account:buyer")
    await lane.settle(until=START + timedelta(days=3))
    story = (await decision_story(lane.connection, "purchase", "event")).document()
    assert (story["outcome"], story["reason"], story["dead_letter_id"]) == (
        "dead_lettered",
        "unmatched",
        "purchase/0/0",
    )


async def test_what_repeats_or_contradicts_another_event_has_a_story_too(lane):
    await lane.send(BUYER, opened())
    again = [
        lane.message(opened(), BUYER, "repeated"),
        lane.message(opened(limit_minor=1), BUYER, "contradicts"),
        lane.message(opened(limit_minor=1), BUYER, "contradicts"),
    ]
    for message in again:
        await lane.settle([message])
    story = (await decision_story(lane.connection, "credit-line", "repeated")).document()
    assert (story["outcome"], story["party_id"], story["repeats"]) == ("duplicate", "buyer", [])
    story = (await decision_story(lane.connection, "credit-line", "contradicts")).document()
    assert (story["outcome"], story["type"], story["postings"]) == ("conflict", "credit_line.opened", [])
    assert [each["outcome"] for each in story["repeats"]] == ["conflict"]
    assert story["offset"] < story["repeats"][0]["offset"]


async def test_an_event_id_of_several_keys_names_them_and_tells_of_the_one_asked_for(lane):
    for name in ("one", "two"):
        await lane.settle([lane.message(opened(), account(name), "event")])
    story = (await decision_story(lane.connection, "credit-line", "event")).document()
    assert (story["party_id"], story["keys"]) == ("one", ["one", "two"])
    story = (await decision_story(lane.connection, "credit-line", "event", "two")).document()
    assert story["party_id"] == "two"
    assert await decision_story(lane.connection, "credit-line", "event", "three") is None


async def test_an_event_never_seen_has_no_story(connection):
    assert await decision_story(connection, "purchase", "never") is None
