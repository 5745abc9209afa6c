"""Double entry in two books, one movement a row.

A posting moves an amount from the ledger account it credits to the one it debits, so debits equal credits by
construction, in every entry and in every book. Balances are kept as positive numbers on their account's normal side.

Source: docs/rules.md, Ledger.
"""

from enum import StrEnum

from settlement.values import dataclass


class Book(StrEnum):
    """The two books: real money, and the credit limit."""

    MONEY = "money"
    LIMIT = "limit"


class LedgerAccount(StrEnum):
    """The chart of accounts. Those of a party exist once per party, the platform's once per lane."""

    RECEIVABLE = "receivable"
    FEE_RECEIVABLE = "fee_receivable"
    PENALTY_RECEIVABLE = "penalty_receivable"
    CUSTOMER_CREDIT = "customer_credit"
    GATEWAY_CLEARING = "gateway_clearing"
    PAYOUT_CLEARING = "payout_clearing"
    MERCHANT_TRANSIT = "merchant_transit"
    MERCHANT_PAYABLE = "merchant_payable"
    DEPOSIT = "deposit"
    SHOP_BALANCE = "shop_balance"
    FEE_INCOME = "fee_income"
    PENALTY_INCOME = "penalty_income"
    LIMIT_GRANTED = "limit_granted"
    LIMIT_AVAILABLE = "limit_available"
    LIMIT_HELD = "limit_held"
    LIMIT_USED = "limit_used"


LIMIT_BOOK = frozenset(
    {
        LedgerAccount.LIMIT_GRANTED,
        LedgerAccount.LIMIT_AVAILABLE,
        LedgerAccount.LIMIT_HELD,
        LedgerAccount.LIMIT_USED,
    }
)

DEBIT_NORMAL = frozenset(
    {
        LedgerAccount.RECEIVABLE,
        LedgerAccount.FEE_RECEIVABLE,
        LedgerAccount.PENALTY_RECEIVABLE,
        LedgerAccount.GATEWAY_CLEARING,
        LedgerAccount.LIMIT_AVAILABLE,
        LedgerAccount.LIMIT_HELD,
        LedgerAccount.LIMIT_USED,
    }
)
"""Accounts whose balance grows by a debit; all others grow by a credit."""

ACCOUNT_BALANCES = {
    LedgerAccount.RECEIVABLE: "receivable_minor",
    LedgerAccount.FEE_RECEIVABLE: "fee_receivable_minor",
    LedgerAccount.PENALTY_RECEIVABLE: "penalty_receivable_minor",
    LedgerAccount.CUSTOMER_CREDIT: "customer_credit_minor",
    LedgerAccount.LIMIT_GRANTED: "limit_minor",
    LedgerAccount.LIMIT_AVAILABLE: "available_minor",
    LedgerAccount.LIMIT_HELD: "held_minor",
    LedgerAccount.LIMIT_USED: "used_minor",
}
"""Ledger accounts that a buyer's account owns, with the field of `entities.Account` that holds their balance."""

MERCHANT_BALANCES = {
    LedgerAccount.MERCHANT_PAYABLE: "payable_minor",
    LedgerAccount.SHOP_BALANCE: "shop_balance_minor",
    LedgerAccount.DEPOSIT: "deposit_minor",
}
"""Ledger accounts that a merchant owns, with the field of `entities.MerchantBalance` that holds their balance."""

PLATFORM_ACCOUNTS = frozenset(LedgerAccount) - ACCOUNT_BALANCES.keys() - MERCHANT_BALANCES.keys()
"""Ledger accounts of the platform itself: once per lane, shown and audited as their sum."""


def book_of(account: LedgerAccount) -> Book:
    """The book an account belongs to."""
    return Book.LIMIT if account in LIMIT_BOOK else Book.MONEY


@dataclass(frozen=True, slots=True)
class Posting:
    """One movement between two ledger accounts of one book: `debit` receives what `credit` gives.

    Accounts of a party mean those of the party whose decision it is; amounts are minor units, always > 0.
    """

    debit: LedgerAccount
    credit: LedgerAccount
    currency: str
    amount_minor: int
