"""One lane without Kafka and Postgres: settles batches on states loaded from tables in memory and written back.

Loading is as thin as the core allows: an account's own row, what is parked, what is due, and then only what the rules
ask for (`NotLoadedError`), or everything; both must come to the same. Only what a batch says it changed is written.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from settlement.batch import Batch, Settled
from settlement.calendar import WorkingDays
from settlement.dead_letter import DeadLetterReason
from settlement.decision import InvariantBrokenError, Outcome
from settlement.draft import Rules
from settlement.entities import Account, AccountPayout, Deposit, Merchant, MerchantBalance, MerchantPayout, Obligation
from settlement.entity import ENTITIES, Entity
from settlement.ledger import Book, LedgerAccount, Posting, Side, owned_by
from settlement.messages import Input, PayoutFailed
from settlement.outputs import MerchantActivityRecorded
from settlement.party import Party, PartyKind
from settlement.state import ALL_OPEN, PAST_SINCE, NotLoadedError, Parked, PartyState, instant_of, subject_key
from settlement.statuses import ObligationStatus, PayoutStatus
from settlement.terms import TermsBook
from settlement.timers import Timer, TimerKind
from settlement.totals import Totals

CREDIT_GOES_OUT = (LedgerAccount.CUSTOMER_CREDIT, LedgerAccount.PAYOUT_CLEARING)
ALWAYS_LOADED = (Account, Merchant, MerchantBalance)
UNPAID = (ObligationStatus.OPEN, ObligationStatus.OVERDUE)

WORKING_DAYS = {
    year: frozenset(
        day
        for number in range(366)
        if (day := date(year, 1, 1) + timedelta(days=number)).year == year
        and (day.weekday() < 5 or (day.month, day.day) in ((2, 14), (2, 28)))
        and not (day.month == 10 and day.day <= 7)
        and not (day.month == 2 and 15 <= day.day <= 21)
    )
    for year in (2026, 2028)
}
"""A made-up calendar: weekdays, and a week off in February and in October; two days of February are made up for.

It does not know 2027, nor 2025, in which a request that is told late may have been made.
"""

RULES = Rules(TermsBook.builtin(), WorkingDays("made-up", WORKING_DAYS))


class BrokenBooksError(AssertionError):
    """An invariant of the ledger does not hold after a decision."""


BREAKS = (AssertionError, InvariantBrokenError)
"""What a lane that settles a message raises when the core is broken."""


@dataclass
class Tables:
    """What a database would hold of one party (None: the lane itself)."""

    party: Party | None
    entities: dict[type[Entity], dict[str, Entity]] = field(default_factory=lambda: defaultdict(dict))
    decided: dict[bytes, bytes] = field(default_factory=dict)
    declined: set[str] = field(default_factory=set)
    parked: dict[bytes, Parked] = field(default_factory=dict)
    timers: dict[tuple[TimerKind, str], Timer] = field(default_factory=dict)
    postings: list[Posting] = field(default_factory=list)
    activity: Counter[tuple[str, str]] = field(default_factory=Counter)
    credit_rests: bool = False
    """A payout has failed since customer credit last went out: only then there may be some with nothing owed."""

    @property
    def name(self) -> str:
        return self.party.id if self.party is not None else ""

    @property
    def is_new(self) -> bool:
        return not (self.entities or self.parked or self.decided or self.declined)

    def copy(self) -> "Tables":
        entities: dict[type[Entity], dict[str, Entity]] = defaultdict(dict)
        entities |= {kind: dict(rows) for kind, rows in self.entities.items()}
        return Tables(
            self.party,
            entities,
            dict(self.decided),
            set(self.declined),
            dict(self.parked),
            dict(self.timers),
            list(self.postings),
            Counter(self.activity),
            self.credit_rests,
        )

    def load(self, wanted: set[tuple[type[Entity], str]], until: datetime | None, *, whole: bool) -> PartyState:
        state = PartyState(
            self.party,
            seen=dict(self.decided) | {key: parked.input.fingerprint for key, parked in self.parked.items()},
            declined=set(self.declined),
            parked=list(self.parked.values()),
            timers={key: timer for key, timer in self.timers.items() if until is not None and timer.due_at <= until},
        )
        if whole or self.is_new:
            state.whole = True
            state.entities = {kind: dict(rows) for kind, rows in self.entities.items()}
            return state
        state.all_open_loaded = (Obligation, ALL_OPEN) in wanted
        since = [instant_of(name) for _, name in wanted if name.startswith(PAST_SINCE)]
        state.past_since = min(since, default=None)
        for kind, rows in self.entities.items():
            for name, entity in rows.items():
                is_open = kind is Obligation and state.all_open_loaded and entity.status in UNPAID
                is_past = kind is Obligation and state.past_since is not None and _is_past(entity, state.past_since)
                if kind in ALWAYS_LOADED or is_open or is_past or (kind, name) in wanted:
                    state.entities.setdefault(kind, {})[name] = entity
        looked_for = wanted | {(kind, name) for kind in ALWAYS_LOADED for name in (self.name, "CNY", "USD")}
        state.absent |= {
            subject_key(kind, name) for kind, name in looked_for if name not in self.entities.get(kind, {})
        }
        return state

    def write(self, state: PartyState) -> None:
        for kind in ENTITIES:
            made, changed = state.made.get(kind, set()), state.changed.get(kind, set())
            already = self.entities.get(kind, {}).keys()
            assert not made & already, f"{kind.__name__} made twice: {made & already}"
            assert changed <= already, f"{kind.__name__} changed but not there: {changed - already}"
            for name in sorted(made | changed):
                self.entities[kind][name] = state.entities[kind][name]
        self.declined |= state.newly_declined
        for key in state.unparked:
            self.parked.pop(key, None)
        self.parked |= state.newly_parked
        for key, timer in state.timer_changes.items():
            if timer is None:
                self.timers.pop(key, None)
            else:
                self.timers[key] = timer

    def take(self, settled: Settled) -> None:
        """Keep what became of an input or timer: event ids that are taken, postings, activity."""
        decision = settled.decision
        takes_its_event_id = decision.outcome in (Outcome.APPLIED, Outcome.DECLINED) or (
            decision.outcome is Outcome.DUPLICATE and not settled.is_repeat
        )
        if settled.input is not None and takes_its_event_id:
            self.decided[settled.input.event_hash] = settled.input.fingerprint
        self.postings += decision.postings
        if settled.input is not None and isinstance(settled.input.body, PayoutFailed):
            self.credit_rests |= decision.outcome is Outcome.APPLIED
        elif any((each.debit, each.credit) == CREDIT_GOES_OUT for each in decision.postings):
            self.credit_rests = False
        for share in decision.activity:
            self.activity[share.merchant_id, "payable"] += share.payable_minor
            self.activity[share.merchant_id, "after_sales"] += share.after_sales


def _is_past(obligation: Obligation, since: datetime) -> bool:
    return bool(obligation.falls) or (obligation.paid_at is not None and obligation.paid_at >= since)


class Lane:
    """Settles batches one after the other under the event clock.

    Args:
        whole: load everything of a party instead of only what is asked for.
    """

    def __init__(self, *, whole: bool = True) -> None:
        self.whole = whole
        self.time: datetime | None = None
        self.rules = RULES
        self.totals: Totals = {}
        self.tables: dict[Party | None, Tables] = {None: Tables(None)}
        self.results: list[Settled] = []
        self.told_merchants: Counter[tuple[str, str]] = Counter()
        self.activity: list[MerchantActivityRecorded] = []
        self.batches = 0

    def copy(self) -> "Lane":
        """One to try something on, apart from this one; entities never change, so they are shared."""
        other = Lane(whole=self.whole)
        other.time, other.rules, other.totals, other.batches = self.time, self.rules, self.totals, self.batches
        other.tables = {party: tables.copy() for party, tables in self.tables.items()}
        return other

    def settle(self, messages: Sequence[Input]) -> list[Settled]:
        """Settle one batch; due timers of all parties fire at its end."""
        for message in messages:
            self.tables.setdefault(message.party, Tables(message.party))
        wanted: dict[Party | None, set[tuple[type[Entity], str]]] = defaultdict(set)
        while True:
            try:
                batch = self._run(messages, wanted)
                break
            except NotLoadedError as missing:
                if (missing.kind, missing.entity_id) in wanted[missing.party]:
                    raise
                wanted[missing.party].add((missing.kind, missing.entity_id))
        self._commit(batch)
        return batch.results

    def _run(self, messages: Sequence[Input], wanted: dict[Party | None, set[tuple[type[Entity], str]]]) -> Batch:
        until = max((message.occurred_at for message in messages), default=None)
        until = max(filter(None, (until, self.time)), default=None)
        states = {party: tables.load(wanted[party], until, whole=self.whole) for party, tables in self.tables.items()}
        batch = Batch(states, self.rules, self.time, event_clock=True, totals=self.totals)
        for message in messages:
            batch.receive(message)
        for party in states:
            if party is not None:
                batch.fire_due(party)
        return batch

    def _commit(self, batch: Batch) -> None:
        self.time, self.rules, self.totals = batch.lane_time, batch.rules, batch.totals
        for each in batch.results:
            party = each.input.party if each.input is not None else each.timer.party
            fails = each.decision.reason == DeadLetterReason.INTERNAL_ERROR
            assert not fails, f"{each.input or each.timer}\n{each.detail}"
            self.tables[party].take(each)
        for party, state in batch.states.items():
            self.tables[party].write(state)
            if party is not None:
                check_books(self.tables[party])
        self.results += batch.results
        self.batches += 1
        for output in batch.activity_outputs(0, self.batches):
            assert isinstance(output.body, MerchantActivityRecorded)
            self.activity.append(output.body)
            self.told_merchants[output.body.merchant_id, "payable"] += output.body.payable_minor
            self.told_merchants[output.body.merchant_id, "after_sales"] += output.body.after_sales

    def rows(self, party: Party, kind: type) -> list:
        return list(self.tables[party].entities.get(kind, {}).values()) if party in self.tables else []


def balances_of(postings: Iterable[Posting]) -> Counter[LedgerAccount]:
    """Every ledger account's balance on its normal side, from nothing but postings."""
    balances: Counter[LedgerAccount] = Counter()
    for posting in postings:
        for account, side in ((posting.debit, Side.DEBIT), (posting.credit, Side.CREDIT)):
            balances[account] += posting.amount_minor if side is account.normal_side else -posting.amount_minor
    return balances


def check_books(tables: Tables) -> None:
    """What must hold of a party after every decision.

    Raises:
        BrokenBooksError: naming what does not.
    """
    assert tables.party is not None
    balances = balances_of(tables.postings)
    for book in Book:
        total = sum(
            amount if account.normal_side is Side.DEBIT else -amount
            for account, amount in balances.items()
            if account.book is book
        )
        _expect(f"debits less credits of the {book} book", total, 0)
    for posting in tables.postings:
        if posting.debit.book is not posting.credit.book or posting.amount_minor <= 0:
            raise BrokenBooksError(f"posting between two books or of nothing: {posting}")
    if tables.party.kind is PartyKind.ACCOUNT:
        _check_account(tables, balances)
    else:
        _check_merchant(tables, balances)
    _check_payouts(tables, balances)


def _check_account(tables: Tables, balances: Counter[LedgerAccount]) -> None:
    for account in tables.entities.get(Account, {}).values():
        for ledger_account in owned_by(PartyKind.ACCOUNT):
            _expect(ledger_account, getattr(account, ledger_account.balance), balances[ledger_account])
        parts = account.available_minor + account.held_minor + account.used_minor
        _expect("limit = available + held + used", account.limit_minor, parts)
        owed = list(tables.entities.get(Obligation, {}).values())
        principal = sum(each.open_principal_minor for each in owed)
        _expect("used = open principal", account.used_minor, principal)
        _expect("receivable = open principal", account.receivable_minor, principal)
        fees = sum(each.open_fee_minor for each in owed)
        _expect("fee receivable = open fees", account.fee_receivable_minor, fees)
        penalties = sum(each.open_penalty_minor for each in owed)
        _expect("penalty receivable = open penalties", account.penalty_receivable_minor, penalties)
        _expect("charged off", account.charged_off_minor, sum(each.charged_off_minor for each in owed))
        if not 0 <= account.recovered_minor <= account.charged_off_minor:
            raise BrokenBooksError(f"{account.recovered_minor} recovered of {account.charged_off_minor} charged off")
        is_owed = bool(principal + fees + penalties)
        if account.customer_credit_minor < 0 or (
            account.customer_credit_minor and not is_owed and not tables.credit_rests
        ):
            raise BrokenBooksError(f"customer credit {account.customer_credit_minor} with {principal} owed")
    handed = sum(amount for (_, what), amount in tables.activity.items() if what == "payable")
    _expect("merchant_transit = what was handed to merchants", balances[LedgerAccount.MERCHANT_TRANSIT], handed)


def _check_payouts(tables: Tables, balances: Counter[LedgerAccount]) -> None:
    kind = AccountPayout if tables.party.kind is PartyKind.ACCOUNT else MerchantPayout
    unanswered = sum(
        each.amount_minor for each in tables.entities.get(kind, {}).values() if each.status is PayoutStatus.REQUESTED
    )
    _expect("payout_clearing = payouts not answered", balances[LedgerAccount.PAYOUT_CLEARING], unanswered)


def _check_merchant(tables: Tables, balances: Counter[LedgerAccount]) -> None:
    rows = tables.entities.get(MerchantBalance, {}).values()
    for ledger_account in owned_by(PartyKind.MERCHANT):
        kept = sum(getattr(row, ledger_account.balance) for row in rows)
        _expect(ledger_account, kept, balances[ledger_account])
    if any(row.shop_balance_minor < 0 or row.deposit_minor < 0 for row in rows):
        raise BrokenBooksError(f"a shop balance or deposit below 0: {list(rows)}")
    left = sum(each.left_minor for each in tables.entities.get(Deposit, {}).values())
    _expect("deposit = what is left of deposits", balances[LedgerAccount.DEPOSIT], left)
    settled = sum(
        each.amount_minor
        for each in tables.entities.get(MerchantPayout, {}).values()
        if each.reason == "merchant_settlement" and each.status is not PayoutStatus.FAILED
    )
    _expect(
        "all that left transit is payable or was paid out, and is not back",
        -balances[LedgerAccount.MERCHANT_TRANSIT],
        balances[LedgerAccount.MERCHANT_PAYABLE] + settled,
    )


def _expect(what: str, got: int, expected: int) -> None:
    if got != expected:
        raise BrokenBooksError(f"{what}: expected {expected}, got {got}")
