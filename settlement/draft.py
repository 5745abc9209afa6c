"""A decision in the making: rules read the state through it and record what changes.

Dropping a draft undoes everything, so an exception in a rule leaves the state as it was.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

from settlement import notices
from settlement.calendar import WorkingDays
from settlement.changes import BY_MESSAGE, Place
from settlement.decision import ActivityShare, AppliedReason, Decision, DeclineReason, InvariantBrokenError, Outcome
from settlement.entities import Account, Merchant, MerchantBalance, Obligation
from settlement.entity import Entity, EntityT
from settlement.ids import derived_id
from settlement.ledger import LedgerAccount, Posting, Side
from settlement.notices import Param
from settlement.outputs import NotificationRequested, Output, OutputBody
from settlement.party import Party, PartyKind
from settlement.state import ALL_OPEN, NotLoadedError, PartyState, past_since, subject_key
from settlement.statuses import ObligationStatus
from settlement.terms import TermsBook
from settlement.timers import Timer, TimerKind
from settlement.values import dataclass, revised


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is decided: `now` is lane time, or a timer's due time; `occurred_at` is never after it.

    `rank` is the timer's among all that happens at its instant; messages come last.
    """

    now: datetime
    occurred_at: datetime
    rank: int = BY_MESSAGE


@dataclass(frozen=True, slots=True)
class Rules:
    """What decisions depend on besides state, message and time."""

    terms: TermsBook
    calendar: WorkingDays


@dataclass(frozen=True, slots=True)
class Cause:
    """What a decision answers: `id_key` seeds derived ids, `causation_id` is shown in outputs.

    `fingerprint` is the message's (docs/rules.md, Outcomes), empty for a timer.
    """

    id_key: str
    causation_id: str
    fingerprint: bytes = b""


class Draft:
    """One decision on one party in the making.

    `lane` is what the lane itself keeps, whoever is decided on.
    """

    __slots__ = (
        "_activity",
        "_deltas",
        "_entities",
        "_ids",
        "_numbers",
        "_outputs",
        "_postings",
        "_timers",
        "_wakes",
        "cause",
        "lane",
        "moment",
        "party",
        "rules",
        "state",
    )

    def __init__(
        self, state: PartyState, party: Party, moment: Moment, rules: Rules, cause: Cause, lane: PartyState
    ) -> None:
        self.state = state
        self.lane = lane
        self.party = party
        self.moment = moment
        self.rules = rules
        self.cause = cause
        self._ids = 0
        self._numbers = 0
        self._entities: dict[tuple[type[Entity], str], Entity] = {}
        self._deltas: dict[tuple[str, str], int] = {}
        self._postings: list[Posting] = []
        self._timers: dict[tuple[TimerKind, str], Timer | None] = {}
        self._outputs: list[Output] = []
        self._activity: list[ActivityShare] = []
        self._wakes: list[str] = []

    # What rules read.

    def find(self, kind: type[EntityT], entity_id: str) -> EntityT | None:
        """Return the current version of an entity, or None when it does not exist."""
        if self._entities:
            drafted = self._entities.get((kind, entity_id))
            if drafted is not None:
                return drafted  # type: ignore[return-value]  # keyed by its own type
        return self.state.find(kind, entity_id)

    def get(self, kind: type[EntityT], entity_id: str) -> EntityT:
        """Return the current version of an entity that must exist.

        Raises:
            InvariantBrokenError: something refers to an entity that does not exist.
        """
        found = self.find(kind, entity_id)
        if found is None:
            msg = f"{subject_key(kind, entity_id)} of {self.party} is referred to but does not exist"
            raise InvariantBrokenError(msg)
        return found

    def each(self, kind: type[EntityT]) -> Iterator[EntityT]:
        """Every loaded entity of a kind in its current version, those made by this draft included, in no order."""
        drafted = {key[1]: entity for key, entity in self._entities.items() if key[0] is kind}
        if not drafted:
            return self.state.each(kind)
        undrafted = [entity for entity in self.state.each(kind) if entity.entity_id not in drafted]
        return iter(undrafted + cast("list[EntityT]", list(drafted.values())))

    @property
    def account(self) -> Account:
        """The account decided on, balances up to date."""
        self._settle_balances()
        return self.get(Account, self.party.id)

    @property
    def currency(self) -> str:
        """The account's currency."""
        return self.get(Account, self.party.id).currency

    def open_obligations(self) -> Iterator[Obligation]:
        """Open and overdue obligations in the order they are paid: due date, then the order they were made.

        Raises:
            NotLoadedError: when consumed beyond the earliest ones that were loaded.
        """
        unpaid = (ObligationStatus.OPEN, ObligationStatus.OVERDUE)
        found = [obligation for obligation in self.each(Obligation) if obligation.status in unpaid]
        found.sort(key=lambda obligation: (obligation.due_on, obligation.no))
        if self.state.all_open_loaded:
            yield from found
            return
        until = self.state.open_loaded_until
        for obligation in found:
            # One beyond was loaded because something named it: others before it may be missing.
            if until is None or (obligation.due_on, obligation.no) > until:
                break
            yield obligation
        raise NotLoadedError(self.party, Obligation, ALL_OPEN)

    def past_since(self, instant: datetime) -> list[Obligation]:
        """All obligations paid at an instant or later, and all that were ever overdue, in the order they were made.

        Raises:
            NotLoadedError: some may be missing.
        """
        loaded = self.state.past_since
        if not self.state.whole and (loaded is None or loaded > instant):
            raise NotLoadedError(self.party, Obligation, past_since(instant))
        found = [
            each
            for each in self.each(Obligation)
            if each.falls or (each.paid_at is not None and each.paid_at >= instant)
        ]
        return sorted(found, key=lambda obligation: obligation.no)  # how they were loaded must not matter

    def touched(self, kind: type[EntityT]) -> list[EntityT]:
        """What of a kind this decision has made or changed."""
        return [cast("EntityT", entity) for key, entity in self._entities.items() if key[0] is kind]

    @property
    def place(self) -> Place:
        """From where what this decision changes of an obligation counts: now, after all that was decided before."""
        return self.place_at(self.moment.now)

    def place_at(self, instant: datetime) -> Place:
        """The same at another instant: after all of that instant and rank that was decided before."""
        return Place(instant, self.moment.rank, self.get(Account, self.party.id).entities_made + self._numbers)

    @property
    def began_at(self) -> Place:
        """The place that all this decision changes comes from or after."""
        account = self.state.find(Account, self.party.id)
        return Place(self.moment.now, self.moment.rank, account.entities_made if account is not None else 0)

    def take_place(self) -> Place:
        """Return the place now, which what this decision changes from now on comes after."""
        return Place(self.moment.now, self.moment.rank, self.next_no())

    def balance(self, currency: str) -> MerchantBalance:
        """The merchant's balances in one currency, up to date; zeros before the first posting."""
        self._settle_balances()
        return self.find(MerchantBalance, currency) or MerchantBalance(self.party.id, currency, 0, 0, 0)

    # What rules record.

    def new_id(self) -> str:
        """Return the next deterministic id of this decision."""
        self._ids += 1
        return derived_id(self.cause.id_key, self._ids)

    def next_no(self) -> int:
        """Take the party's next running number."""
        if self.party.kind is PartyKind.ACCOUNT:
            made = self.get(Account, self.party.id).entities_made
        else:
            made = self.get(Merchant, self.party.id).entities_made
        self._numbers += 1
        return made + self._numbers - 1

    def numbered(self) -> tuple[Entity, ...]:
        """The owner of the running numbers taken so far, to keep with the record of something declined."""
        self._settle_balances()
        kind: type[Entity] = Account if self.party.kind is PartyKind.ACCOUNT else Merchant
        owner = self._entities.get((kind, self.party.id))
        return () if owner is None else (owner,)

    def put(self, entity: Entity) -> None:
        """Record a new entity or a new version of one. Balances are left to `post`."""
        self._entities[type(entity), entity.entity_id] = entity

    def change_account(self, **changes: Any) -> None:
        """Record new values of fields of the account that are not balances."""
        self.put(revised(self.account, **changes))

    def post(self, debit: LedgerAccount, credit: LedgerAccount, amount_minor: int, currency: str) -> None:
        """Move an amount from `credit` to `debit`; 0 moves nothing.

        Raises:
            InvariantBrokenError: a negative amount, or accounts of two books.
        """
        if amount_minor == 0:
            return
        if amount_minor < 0 or debit.book is not credit.book:
            msg = f"posting {amount_minor} {currency} from {credit} to {debit} for {self.party}"
            raise InvariantBrokenError(msg)
        self._postings.append(Posting(debit, credit, currency, amount_minor))
        deltas = self._deltas
        if debit.balance is not None:
            key = (debit.balance, currency)
            deltas[key] = deltas.get(key, 0) + debit.moved_by(Side.DEBIT, amount_minor)
        if credit.balance is not None:
            key = (credit.balance, currency)
            deltas[key] = deltas.get(key, 0) + credit.moved_by(Side.CREDIT, amount_minor)

    def emit(self, body: OutputBody) -> str:
        """Record an output message; returns its event_id."""
        event_id = self.new_id()
        self._outputs.append(Output(event_id, self.moment.now, self.cause.causation_id, self.party, body))
        return event_id

    def notify(self, template: str, recipient: Party | None = None, /, **params: Param) -> None:
        """Record a notice to the party itself, or to `recipient`; texts are in settlement/notices.toml."""
        recipient = recipient or self.party
        self._notify(recipient.kind.value, recipient.id, template, params)

    def notify_operator(self, template: str, /, **params: Param) -> None:
        """Record a notice to the operators, keyed like the party it concerns."""
        self._notify("operator", "operations", template, params)

    def _notify(self, kind: str, recipient_id: str, template: str, params: dict[str, Param]) -> None:
        event_id = self.new_id()
        body = NotificationRequested(event_id, kind, recipient_id, template, params, notices.render(template, params))
        self._outputs.append(Output(event_id, self.moment.now, self.cause.causation_id, self.party, body))

    def schedule(self, kind: TimerKind, subject_id: str, due_at: datetime) -> None:
        """Set the timer of this kind and subject, replacing an earlier one; never before now."""
        due_at = max(due_at, self.moment.now)
        self._timers[kind, subject_id] = Timer(self.party, kind, subject_id, due_at)

    def cancel(self, kind: TimerKind, subject_id: str) -> None:
        """Remove the timer of this kind and subject, if there is one."""
        self._timers[kind, subject_id] = None

    def is_due(self, kind: TimerKind, subject_id: str) -> bool:
        """Whether the timer of this kind and subject is due by now and has not fired yet."""
        timer = self.state.timers.get((kind, subject_id))
        return timer is not None and timer.due_at <= self.moment.now

    def decide_as_of(self, instant: datetime) -> None:
        """Decide what follows as if it occurred at an instant that has passed; what was recorded stays as it is."""
        self.moment = Moment(self.moment.now, instant, self.moment.rank)

    def hand_to_merchant(self, merchant_id: str, *, payable_minor: int = 0, after_sales: int = 0) -> None:
        """Record what this decision means for a merchant; it travels by `merchant-activity`."""
        self._activity.append(ActivityShare(merchant_id, self.currency, payable_minor, after_sales))

    def wake(self, kind: type[Entity], entity_id: str) -> None:
        """Let what waits for something be decided again, although it will not become known."""
        self._wakes.append(subject_key(kind, entity_id))

    # How rules end.

    def applied(self, reason: AppliedReason | None = None) -> Decision:
        """Everything recorded takes effect.

        Args:
            reason: what the message was taken for, where that is not what it said.
        """
        self._settle_balances()
        return Decision(
            Outcome.APPLIED,
            reason=reason.value if reason is not None else None,
            postings=tuple(self._postings),
            entities=tuple(self._entities.values()),
            timers=tuple([timer for timer in self._timers.values() if timer is not None]),
            cancelled=tuple([key for key, timer in self._timers.items() if timer is None]),
            outputs=tuple(self._outputs),
            activity=tuple(self._activity),
            wakes=tuple(self._wakes),
        )

    def declined(
        self,
        reason: DeclineReason,
        *more: DeclineReason,
        subject: tuple[type[Entity], str] | None = None,
        record: tuple[Entity, ...] = (),
    ) -> Decision:
        """Nothing takes effect but the notices recorded so far.

        Args:
            reason: the first that applies.
            *more: all others, where the rules ask for all.
            subject: what the message would have made; later steps of it are declined `subject_declined`.
            record: what keeps the refusal where people look for it.
        """
        return Decision(
            Outcome.DECLINED,
            reason=reason.value,
            reasons=tuple([each.value for each in (reason, *more)]),
            entities=record,
            outputs=tuple(self._outputs),
            declined_subject=subject_key(*subject) if subject else None,
        )

    def duplicate(self) -> Decision:
        """The message says what is so already: nothing takes effect."""
        return Decision(Outcome.DUPLICATE)

    def conflict(self) -> Decision:
        """The message's id is taken by other content: nothing takes effect."""
        return Decision(Outcome.CONFLICT)

    def repeated(self, known: bytes, fingerprint: bytes) -> Decision:
        """A message for a taken business id: duplicate with equal content, else conflict."""
        return self.duplicate() if known == fingerprint else self.conflict()

    def missing(
        self, kind: type[Entity], entity_id: str, *, subject: tuple[type[Entity], str] | None = None
    ) -> Decision:
        """What the message names is not known: declined when that was declined, else parked until it comes.

        Args:
            kind: of what is named.
            entity_id: its id.
            subject: what the message would have made; later steps of it are declined as well.
        """
        if self.was_declined(kind, entity_id):
            return self.declined(DeclineReason.SUBJECT_DECLINED, subject=subject)
        return self.wait(kind, entity_id)

    def was_declined(self, kind: type[Entity], entity_id: str) -> bool:
        """Whether the message that would have made something unknown was declined."""
        return subject_key(kind, entity_id) in self.state.declined

    def wait(self, kind: type[Entity], entity_id: str) -> Decision:
        """A step's predecessor may still come: parked until the named entity changes."""
        return Decision(Outcome.PARKED, waits_for=subject_key(kind, entity_id))

    def _settle_balances(self) -> None:
        """Fold pending amounts and numbers into the account, or into the merchant and its balances."""
        if not self._deltas and not self._numbers:
            return
        deltas, self._deltas = self._deltas, {}
        numbers, self._numbers = self._numbers, 0
        if self.party.kind is PartyKind.ACCOUNT:
            self._settle_account(deltas, numbers)
            return
        if numbers:
            merchant = self.get(Merchant, self.party.id)
            self.put(revised(merchant, entities_made=merchant.entities_made + numbers))
        for (name, currency), delta in deltas.items():
            balance = self.find(MerchantBalance, currency) or MerchantBalance(self.party.id, currency, 0, 0, 0)
            self.put(revised(balance, **{name: getattr(balance, name) + delta}))

    def _settle_account(self, deltas: dict[tuple[str, str], int], numbers: int) -> None:
        account = self.get(Account, self.party.id)
        changes: dict[str, Any] = {"entities_made": account.entities_made + numbers} if numbers else {}
        for (name, currency), delta in deltas.items():
            if currency != account.currency:
                msg = f"{currency} posted to {self.party}, whose currency is {account.currency}"
                raise InvariantBrokenError(msg)
            changes[name] = getattr(account, name) + delta
        self.put(revised(account, **changes))
