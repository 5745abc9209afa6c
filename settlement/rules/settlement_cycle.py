"""What is payable to a merchant goes out on its payout dates. Source: docs/rules.md, Settlement cycle.

A merchant has a timer only while something is payable to it, so that merchants without sales cost nothing.
"""

from datetime import date

from settlement.dates import business_date, days_after, midnight
from settlement.decision import Decision
from settlement.draft import Draft
from settlement.entities import Merchant, MerchantBalance
from settlement.ledger import LedgerAccount
from settlement.messages import SettlementCycleChanged
from settlement.rules import payout_request
from settlement.timers import WHOLE_MERCHANT, TimerKind
from settlement.values import revised


def begin(draft: Draft) -> None:
    """Pay what was booked before the registration: at once where a payout date has passed, else on the first."""
    _catch_up(draft, draft.get(Merchant, draft.party.id))


def changed(draft: Draft, body: SettlementCycleChanged) -> Decision:
    """Count payout dates anew, from the last one that has come."""
    merchant = draft.get(Merchant, draft.party.id)
    cycle_from, cycle_days = _cycle(merchant)
    periods = (business_date(draft.moment.now) - cycle_from).days // cycle_days
    merchant = revised(
        merchant,
        settlement_cycle_days=body.settlement_cycle_days,
        cycle_from=days_after(cycle_from, periods * cycle_days),
    )
    draft.put(merchant)
    _catch_up(draft, merchant)
    return draft.applied()


def payable_moved(draft: Draft, currency: str, before_minor: int) -> None:
    """Set the next payout when something has become payable, and drop it when nothing is any more.

    Args:
        draft: the decision, in which the payable is moved already.
        currency: what was moved; what is not the merchant's is not paid out.
        before_minor: the payable before.
    """
    merchant = draft.get(Merchant, draft.party.id)
    if merchant.registered_on is None or currency != merchant.currency:
        return
    is_payable = draft.balance(currency).payable_minor > 0
    if is_payable and before_minor <= 0:
        _expect(draft, merchant)
    elif before_minor > 0 and not is_payable:
        draft.cancel(TimerKind.MERCHANT_PAYOUT, WHOLE_MERCHANT)


def payout_due(draft: Draft) -> None:
    """00:00 of a payout date: all that is payable goes out."""
    _pay_out(draft, draft.get(Merchant, draft.party.id))


def _catch_up(draft: Draft, merchant: Merchant) -> None:
    """Payout dates that have passed are made up for by one payout now."""
    if _payable_minor(draft, merchant) <= 0:
        return
    cycle_from, cycle_days = _cycle(merchant)
    if midnight(days_after(cycle_from, cycle_days)) <= draft.moment.now:
        draft.cancel(TimerKind.MERCHANT_PAYOUT, WHOLE_MERCHANT)
        _pay_out(draft, merchant)
    else:
        _expect(draft, merchant)


def _expect(draft: Draft, merchant: Merchant) -> None:
    """Set the timer to the first payout date after now."""
    cycle_from, cycle_days = _cycle(merchant)
    periods = (business_date(draft.moment.now) - cycle_from).days // cycle_days + 1
    draft.schedule(TimerKind.MERCHANT_PAYOUT, WHOLE_MERCHANT, midnight(days_after(cycle_from, periods * cycle_days)))


def _pay_out(draft: Draft, merchant: Merchant) -> None:
    amount_minor, currency = _payable_minor(draft, merchant), merchant.currency
    if amount_minor <= 0 or currency is None:
        return
    draft.post(LedgerAccount.MERCHANT_PAYABLE, LedgerAccount.PAYOUT_CLEARING, amount_minor, currency)
    payout_id = payout_request.request(draft, amount_minor, currency, route="bank", reason="merchant_settlement")
    draft.notify("settlement_paid", payout_id=payout_id, amount_minor=amount_minor, currency=currency)


def _payable_minor(draft: Draft, merchant: Merchant) -> int:
    """What is payable in the merchant's currency; its balances are always loaded with it."""
    return next((each.payable_minor for each in draft.each(MerchantBalance) if each.currency == merchant.currency), 0)


def _cycle(merchant: Merchant) -> tuple[date, int]:
    """Where the payout dates of a registered merchant are counted from, and the days between them."""
    cycle_from = merchant.cycle_from or merchant.registered_on
    assert cycle_from is not None
    assert merchant.settlement_cycle_days is not None
    return cycle_from, merchant.settlement_cycle_days
