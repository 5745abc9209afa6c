"""The story of a merchant in sentences and tables."""

from collections.abc import Iterator

from rich.console import RenderableType

from storage.stories.merchant import MerchantStory, SettingsStory
from words.party import told_history, told_payouts
from words.phrases import counted, moment, money
from words.tables import table
from words.vocabulary import plan_in_short

OPEN_WORDS = {
    "promotions": "unfinished promotion",
    "disputes": "open dispute",
    "after_sales": "open return",
    "violations": "open violation",
}


def tell(story: MerchantStory) -> Iterator[RenderableType]:
    """The story in words and tables."""
    yield f"Merchant {story.merchant_id} {_registration(story)}."
    for balance in story.balances:
        payable = f"{money(balance.payable_minor, balance.currency)} {_when_paid(story, balance.currency)}"
        yield f"{payable}, and its shop balance is {money(balance.shop_balance_minor, balance.currency)}."
    yield _standing(story)
    if story.settings is not None:
        yield _settings(story.settings)
    yield ""
    yield from _deposits(story)
    yield from told_payouts(story.payouts)
    yield from told_history(story.history, story.archived_until)


def _deposits(story: MerchantStory) -> Iterator[RenderableType]:
    currency = story.currency
    if story.deposits:
        yield table(
            counted(len(story.deposits), "deposit"),
            ("deposit", "route", "#amount", "#left", "paid", "frozen until"),
            [
                (
                    each.deposit_id,
                    each.route,
                    money(each.amount_minor, currency),
                    money(each.left_minor, currency),
                    moment(each.paid_at),
                    each.frozen_until,
                )
                for each in story.deposits
            ],
        )
    if story.deposit_refunds:
        yield table(
            counted(len(story.deposit_refunds), "deposit refund"),
            ("request", "deposit", "#amount", "to", "status", "urgent", "review due"),
            [
                (
                    each.request_id,
                    each.deposit_id,
                    money(each.amount_minor, currency),
                    each.refund_to,
                    each.status,
                    "yes" if each.urgent else "",
                    each.review_due_on,
                )
                for each in story.deposit_refunds
            ],
        )
    for each in story.deposit_refunds:
        if each.reasons:
            yield f"{each.request_id} was declined: {', '.join(each.reasons)}"
        if each.opinion is not None:
            yield f"The review of {each.request_id} says: {each.opinion}"


def _registration(story: MerchantStory) -> str:
    if story.registered_on is None or story.settlement_cycle_days is None:
        return "is not registered yet"
    days = counted(story.settlement_cycle_days, "day")
    return f"was registered on {story.registered_on} and is paid every {days}"


def _when_paid(story: MerchantStory, currency: str) -> str:
    """When what is payable in a currency goes out."""
    if not story.currency:
        return "will be paid out to it once it is registered"
    if currency != story.currency:
        return f"is payable to it, which is paid in {story.currency} only"
    if story.next_payout_at is None:
        return "is payable to it"
    return f"will be paid out to it at {moment(story.next_payout_at)}"


def _standing(story: MerchantStory) -> str:
    """What stands against a refund of its deposits; returns are not told one by one."""
    standing = [counted(number, OPEN_WORDS[kind]) for kind, number in story.open.document().items() if number]
    if story.payable_minor < 0:
        standing.append(f"{money(-story.payable_minor, story.currency)} owed to the platform")
    if not standing:
        return "Nothing stands against a refund of its deposits."
    named = ", ".join(f"{each.kind} {each.case_id}" for each in story.open_cases)
    return f"A refund of its deposits would be declined: {', '.join(standing)}{f' ({named})' if named else ''}."


def _settings(settings: SettingsStory) -> str:
    """What the shop has set for itself."""
    since = f"since {moment(settings.changed_at)}"
    if not settings.enabled or not settings.plans:
        return f"Its goods can't be paid later, {since}."
    plans = "; ".join(map(plan_in_short, settings.plans))
    most = settings.max_order_minor
    limit = "" if most is None else f", orders of up to {money(most, settings.currency)}"
    return f"Its goods can be paid later by {plans}{limit}, {since}."
