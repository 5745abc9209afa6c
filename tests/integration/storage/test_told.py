"""What commands and the demo print of rich parties, byte by byte: names, order and values are what others read.

Where a change is meant, the test leaves what is printed now beside what was, as `NAME.new`; compare and rename it.
"""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from demo.story import account_in_words, merchant_in_words
from settlement.entities import CaseKind
from settlement.messages import (
    CaseClosed,
    CaseOpened,
    DepositRefundReviewed,
    LineFrozen,
    MerchantActivity,
    MerchantRegistered,
    PurchaseReceived,
    RepaymentReversed,
    ShopWithdrawalRequested,
)
from storage.stories.account import account_story
from storage.stories.decision import decision_story
from storage.stories.merchant import merchant_story
from tests.integration.storage.settling import START, StoredLane, account, merchant
from tests.unit.settlement.builders import (
    cashed_out,
    deferred,
    deposited,
    in_instalments,
    intact,
    on_statement,
    opened,
    placed,
    refund_asked,
    repaid,
    returned,
)
from words import account as account_words
from words import decision as decision_words
from words import merchant as merchant_words
from words.document import plain

PRINTED = Path(__file__).parent / "told"
BUYER, TRIER, SHOP = account("buyer"), account("trier"), merchant("shop")
NEWCOMER = merchant("newcomer")


async def send(lane: StoredLane, party, bodies) -> None:
    for day, body in bodies:
        await lane.settle([lane.message(body, party, f"{party.id}-{day}", START + timedelta(days=day))])


OF_THE_SHOP = [
    (0, MerchantRegistered("CNY", 30)),
    (1, MerchantActivity("CNY", 12_000, 1)),
    (2, MerchantActivity("USD", 500, 0)),
    (3, deposited()),
    (4, deposited("second", 70_000, route="wechat")),
    (5, CaseOpened(CaseKind.PROMOTION, "spring")),
    (6, refund_asked("early", urgent=True)),
    (7, CaseOpened(CaseKind.DISPUTE, "over")),
    (8, CaseClosed(CaseKind.DISPUTE, "over")),
    (9, CaseClosed(CaseKind.PROMOTION, "spring")),
    (10, MerchantActivity("CNY", 0, -1)),
    (40, refund_asked(amount_minor=20_000, refund_to="shop_balance")),
    (41, DepositRefundReviewed("request", "approved", "all is well")),
    (42, refund_asked("again", deposit_id="second")),
    (43, DepositRefundReviewed("again", "rejected", "goods are still on their way")),
    (80, ShopWithdrawalRequested("withdrawal", 5_000, "CNY")),
    (81, CaseOpened(CaseKind.VIOLATION, "late")),
    (82, MerchantActivity("CNY", 700, 2)),
]
OF_THE_BUYER = [
    (83, replace(opened("taobao", 300_000), identity_verified=True)),
    (84, on_statement("o-statement", 20_000)),
    (85, in_instalments("o-parts", 30_000)),
    (86, PurchaseReceived("o-statement")),
    (87, PurchaseReceived("o-parts")),
    (88, cashed_out(3_000)),
    (89, repaid(1_000, "r-reversed")),
    (90, RepaymentReversed("r-reversed", "chargeback")),
    (91, repaid(2_500, "r-kept")),
    (92, deferred("o-too-much", 9_000_000)),
    (160, LineFrozen("security")),
]
OF_THE_TRIER = [
    (161, opened("tmall")),
    (162, placed("o-first", 10_000)),
    (163, placed("o-second", 3_000, days=14)),
    (164, PurchaseReceived("o-first")),
    (165, returned(4_000, order_id="o-first")),
    (166, intact()),
    (167, repaid(800, "r-too-much")),
    (168, PurchaseReceived("o-unknown")),
]


@pytest.fixture
async def rich(lane) -> StoredLane:
    """A buyer and a shop to whom nearly everything happened, and a few messages that were not simply applied."""
    await send(lane, SHOP, OF_THE_SHOP)
    await send(lane, NEWCOMER, [(82, MerchantActivity("CNY", 800, 0))])
    await send(lane, BUYER, OF_THE_BUYER)
    await send(lane, TRIER, OF_THE_TRIER)
    sent = lane.message(placed("o-third", 500), TRIER, "trier-sent", START + timedelta(days=169))
    again = replace(sent, source=replace(sent.source, offset=90))
    conflict = replace(sent, source=replace(sent.source, offset=91), fingerprint=b"other")
    lane.reject("purchase", b"{", event_id="broken", type="purchase.placed", occurred_at=START)
    await lane.settle([sent, again, conflict])
    await send(lane, TRIER, [(170, RepaymentReversed("r-too-much", "chargeback"))])
    await lane.settle(until=START + timedelta(days=200))
    return lane


def compare(name: str, printed: str) -> None:
    kept = PRINTED / name
    if not kept.exists() or kept.read_text(encoding="utf-8") != printed:
        (PRINTED / f"{name}.new").write_text(printed, encoding="utf-8")
    assert printed == kept.read_text(encoding="utf-8")


def as_json(story) -> str:
    return json.dumps(story, ensure_ascii=False, indent=2, default=plain) + "\n"


def as_text(told) -> str:
    console = Console(file=StringIO(), highlight=False, markup=False, emoji=False, width=160)
    console.print(*told, sep="\n")
    return console.file.getvalue()


@pytest.mark.parametrize("name", ["buyer", "trier"])
async def test_an_account_is_printed_as_ever(rich, name):
    story = await account_story(rich.connection, name)
    compare(f"account-{name}.json", as_json(story.document()))
    compare(f"account-{name}.txt", as_text(account_words.tell(story)))
    compare(
        f"account-{name}-quarter.txt",
        "\n".join((await account_in_words(rich.connection, story, {name: []})).lines) + "\n",
    )


@pytest.mark.parametrize("name", ["shop", "newcomer"])
async def test_a_merchant_is_printed_as_ever(rich, name):
    story = await merchant_story(rich.connection, name)
    compare(f"merchant-{name}.json", as_json(story.document()))
    compare(f"merchant-{name}.txt", as_text(merchant_words.tell(story)))
    compare(
        f"merchant-{name}-quarter.txt",
        "\n".join((await merchant_in_words(rich.connection, story, {name: []})).lines) + "\n",
    )


@pytest.mark.parametrize(
    ("topic", "event_id"),
    [
        ("purchase", "buyer-85"),
        ("purchase", "buyer-92"),
        ("purchase", "trier-168"),
        ("purchase", "trier-sent"),
        ("purchase", "broken"),
        ("deposit-refund-request", "shop-6"),
        ("credit-line", "buyer-88"),
    ],
)
async def test_a_decision_is_printed_as_ever(rich, topic, event_id):
    story = await decision_story(rich.connection, topic, event_id)
    compare(f"decision-{event_id}.json", as_json(story.document()))
    compare(f"decision-{event_id}.txt", as_text(decision_words.tell(story)))
