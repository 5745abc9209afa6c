"""The words for what there is: what happens, what moves, how things stand."""

from collections import Counter
from collections.abc import Iterable, Iterator

from settlement.entities import PlanKind
from storage.stories.decision import PostingStory
from storage.stories.plan import PlanStory
from words.phrases import money

HAPPENED = {
    "credit_line.opened": "a credit line is opened",
    "credit_line.limit_changed": "the limit is set anew",
    "credit_line.score_changed": "the credit score changes",
    "credit_line.card_linked": "a bank card is linked",
    "credit_line.card_unlinked": "the bank card is taken away",
    "credit_line.identity_verified": "the buyer's identity is verified",
    "credit_line.frozen": "the line is frozen",
    "credit_line.unfrozen": "a freeze is lifted",
    "credit_line.unfreeze_requested": "the buyer asks for the line to work again",
    "credit_line.appeal_decided": "the buyer's appeal is decided",
    "credit_line.cash_out_requested": "the buyer wants cash",
    "credit_line.bill_instalment_requested": "the buyer wants to pay the bill in parts",
    "credit_line.close_requested": "the buyer wants to leave",
    "purchase.placed": "an order is placed",
    "purchase.received": "the goods arrive",
    "purchase.kept": "the buyer keeps the goods",
    "purchase.amount_lowered": "the order gets cheaper",
    "purchase.cancelled": "the order is cancelled",
    "purchase.extension_requested": "the buyer asks for more time",
    "purchase.credited": "the order gets a discount",
    "return.requested": "the buyer sends goods back",
    "return.reviewed": "the complaint is looked into",
    "return.parcel_inspected": "the returned parcel is inspected",
    "return.withdrawn": "the buyer keeps them after all",
    "repayment.received": "a payment arrives",
    "repayment.failed": "the bank refuses the debit",
    "repayment.reversed": "the bank takes a payment back",
    "penalty.waived": "penalties are waived",
    "debt.rescheduled": "overdue debt is spread over new dates",
    "debt.charged_off": "debt is given up",
    "suspense.released": "money of an unknown account is released",
    "merchant.registered": "the shop registers",
    "merchant.settlement_cycle_changed": "the shop is paid on another cycle from now on",
    "deposit.paid": "a deposit is paid",
    "promotion.started": "a promotion starts",
    "promotion.finished": "a promotion ends",
    "dispute.opened": "a dispute is opened",
    "dispute.closed": "a dispute is closed",
    "violation.recorded": "a violation is recorded",
    "violation.cleared": "a violation is cleared",
    "deposit_refund.requested": "the shop wants its deposit back",
    "deposit_refund.reviewed": "the request is reviewed",
    "deposit_refund.withdrawn": "the shop takes its request back",
    "shop_balance.withdrawal_requested": "the shop wants its balance paid out",
    "payout.succeeded": "the bank has paid",
    "payout.failed": "the bank could not pay",
}

MOVED = {
    ("limit_available", "limit_granted"): "a limit of {} is granted",
    ("limit_granted", "limit_available"): "the limit falls by {}",
    ("limit_held", "limit_available"): "{} of the limit is held",
    ("limit_available", "limit_held"): "{} of the hold is free again",
    ("limit_used", "limit_held"): "{} of the hold is used",
    ("limit_available", "limit_used"): "{} of the limit is free again",
    ("limit_used", "limit_available"): "{} of the limit is used",
    ("receivable", "merchant_transit"): "the buyer owes {}, the shop earns it",
    ("merchant_transit", "merchant_payable"): "{} is payable to the shop",
    ("merchant_payable", "merchant_transit"): "{} less is payable to the shop",
    ("receivable", "payout_clearing"): "{} goes to the card, and the buyer owes it",
    ("fee_receivable", "fee_income"): "and a fee of {}",
    ("penalty_receivable", "penalty_income"): "a penalty of {} is charged",
    ("merchant_transit", "receivable"): "{} of the debt is undone",
    ("fee_income", "fee_receivable"): "a fee of {} is waived",
    ("penalty_income", "penalty_receivable"): "a penalty of {} is undone",
    ("penalty_income", "customer_credit"): "a paid penalty of {} is undone and kept as credit",
    ("gateway_clearing", "receivable"): "{} of the debt is paid",
    ("gateway_clearing", "fee_receivable"): "{} of fees is paid",
    ("gateway_clearing", "penalty_receivable"): "{} of penalties is paid",
    ("gateway_clearing", "customer_credit"): "{} too much is kept as credit",
    ("charge_off_loss", "receivable"): "{} of the debt is given up",
    ("charge_off_loss", "fee_receivable"): "{} of fees is given up",
    ("charge_off_loss", "penalty_receivable"): "{} of penalties is given up",
    ("receivable", "charge_off_loss"): "{} of the debt is not lost any more",
    ("fee_receivable", "charge_off_loss"): "{} of fees is not lost any more",
    ("penalty_receivable", "charge_off_loss"): "{} of penalties is not lost any more",
    ("gateway_clearing", "recovery_income"): "{} of what was given up comes in",
    ("customer_credit", "recovery_income"): "{} of credit pays what was given up",
    ("recovery_income", "gateway_clearing"): "{} of what was recovered is gone",
    ("recovery_income", "customer_credit"): "{} too much was recovered and is kept as credit",
    ("gateway_clearing", "deposit"): "{} is kept as a deposit",
    ("gateway_clearing", "suspense"): "{} of an unknown account is kept in suspense",
    ("suspense", "gateway_clearing"): "{} leaves suspense",
    ("receivable", "gateway_clearing"): "{} is owed again",
    ("fee_receivable", "gateway_clearing"): "{} of fees is owed again",
    ("penalty_receivable", "gateway_clearing"): "{} of penalties is owed again",
    ("customer_credit", "gateway_clearing"): "{} of the credit is gone",
    ("customer_credit", "receivable"): "{} of credit pays debt",
    ("customer_credit", "fee_receivable"): "{} of credit pays fees",
    ("customer_credit", "penalty_receivable"): "{} of credit pays penalties",
    ("customer_credit", "payout_clearing"): "{} goes back to the buyer",
    ("merchant_transit", "payout_clearing"): "{} goes back to the buyer, at the shop's expense",
    ("deposit", "payout_clearing"): "{} goes back the way it came",
    ("deposit", "shop_balance"): "{} goes to the shop balance",
    ("merchant_payable", "payout_clearing"): "{} is paid out to the shop",
    ("shop_balance", "payout_clearing"): "{} of the shop balance is paid out",
    ("payout_clearing", "gateway_clearing"): "{} has left",
    ("payout_clearing", "customer_credit"): "{} is kept as credit",
    ("payout_clearing", "receivable"): "{} of the debt is undone",
    ("payout_clearing", "merchant_payable"): "{} is payable to the shop again",
    ("payout_clearing", "deposit"): "{} is in the deposit again",
    ("payout_clearing", "shop_balance"): "{} is in the shop balance again",
}
"""A movement by the accounts it debits and credits; docs/rules.md, Ledger."""

ORDER_STATUS = {
    "held": "on its way",
    "trial": "on trial",
    "owed": "owed",
    "overdue": "overdue",
    "settled": "paid",
    "cancelled": "cancelled",
    "returned": "sent back",
}

PART_STATUS = {
    "open": "open",
    "paid": "paid",
    "overdue": "overdue",
    "returned": "taken back",
    "charged_off": "given up",
}

WHEN_FROZEN = {
    "overdue": "something was not paid in time",
    "risk_login": "a log-in was risky",
    "security": "of the account's security",
    "binding_changes": "cards were changed too often",
    "credit_review": "the credit is under review",
    "manual": "somebody wanted it so",
}


def movements(postings: Iterable[PostingStory]) -> Iterator[str]:
    """What moved, the same movements summed up."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for each in postings:
        sums[each.debit, each.credit, each.currency] += each.amount_minor
    for (debit, credit, currency), amount_minor in sums.items():
        words = MOVED.get((debit, credit), f"{{}} moves from {credit.replace('_', ' ')} to {debit.replace('_', ' ')}")
        yield words.format(money(amount_minor, currency))


def plan_in_words(plan: PlanStory) -> str:
    """How an order is paid."""
    match plan.kind:
        case PlanKind.TRIAL:
            return f"after a trial of {plan.days} days"
        case PlanKind.DEFERRED:
            return f"after {plan.days} days"
        case PlanKind.INSTALMENT:
            return f"in {plan.periods} instalments"
        case PlanKind.STATEMENT:
            return "with the statement"


def plan_in_short(plan: PlanStory) -> str:
    """The same for a table: `trial, 7 days`, `instalment in 3`."""
    if plan.days:
        return f"{plan.kind}, {plan.days} days"
    return f"{plan.kind} in {plan.periods}" if plan.periods else plan.kind
