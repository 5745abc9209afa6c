"""The rules once more, as naively as can be: the second opinion the core is tested against.

Written from the domain's description, not from `settlement`: it shares only the message types. Everything is a plain
dict; no balance is kept, each is summed up from orders, obligations and the list of what happened; there are no timers:
after each message the model looks at all it knows for what has become due.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

from settlement.messages import (
    Body,
    DepositPaid,
    Input,
    RepaymentReceived,
    RepaymentReversed,
    ShopSettingsChanged,
    SuspenseReleased,
    TermsPublished,
)
from settlement.party import Party, PartyKind
from tests.property.model.debits import DUE_DAY, before_the_steps_of
from tests.property.model.facts import APPLIED, AUTOMATIC_RECEIPT, CONFLICT, DUPLICATE, PARKED, Facts, Verdict, declined
from tests.property.model.line import LineRules
from tests.property.model.payouts import PayoutRules
from tests.property.model.shops import ShopRules
from tests.property.model.suspense import SuspenseRules

PARKING = timedelta(hours=72)
TIME_JUMP = timedelta(days=400)
CLOSED_LINE_KNOWS_NONE = {
    "LimitChanged",
    "ScoreChanged",
    "CardLinked",
    "CardUnlinked",
    "IdentityVerified",
    "LineFrozen",
    "LineUnfrozen",
}


MAKES = {
    "ReturnRequested": ("return", "return_id"),
    "RepaymentReceived": ("repayment", "repayment_id"),
    "PurchaseCredited": ("credit", "credit_id"),
    "DepositRefundRequested": ("request", "request_id"),
}
"""What a message would have made that names something else first."""


MOST = 2**63 - 1
AMOUNT_OVERFLOW = ("dead_lettered", "amount_overflow")


class Model(LineRules, SuspenseRules, ShopRules, PayoutRules):
    """Settles one lane's inputs.

    Args:
        working_days: the days that are worked.
        name: gives a new debit or payout the id under which messages will speak of it, from its facts.
    """

    def __init__(self, working_days: frozenset[date], name: Callable[[Facts], str]) -> None:
        super().__init__(name, working_days)
        self.lane_time: datetime | None = None
        self.taken: dict[tuple[str, str | None, str], object] = {}
        self.parked: list[Facts] = []
        self.verdicts: list[Facts] = []
        self.fell: tuple[Party, datetime] | None = None

    # The way of an input.

    def receive(self, message: Input) -> None:
        """Decide one input, and all that is due by then, of every party."""
        if self.lane_time is None:
            self.lane_time = message.occurred_at
        if message.occurred_at - self.lane_time > TIME_JUMP:
            self._record(message, ("dead_lettered", "time_jump"), self.lane_time)
            return
        self.lane_time = max(self.lane_time, message.occurred_at)
        self._catch_up()
        known = self.taken.get(_id_of(message))
        if known is not None:
            self._record(message, DUPLICATE if known == message.body else CONFLICT, self.lane_time)
        elif message.party is None:
            self._decide_of_lane(message)
        else:
            self._decide_now(message.party, message)

    def _decide_of_lane(self, message: Input) -> None:
        verdict = APPLIED
        match message.body:
            case ShopSettingsChanged():
                self.on_shop_settings_changed(message.body)
            case TermsPublished():
                verdict = self.on_terms_published(message.body)
        if not _leaves_its_event_id(verdict):
            self.taken[_id_of(message)] = message.body
        self._record(message, verdict, self.lane_time)

    def _decide_now(self, party: Party, message: Input) -> None:
        verdict = self._decide(party, message, self.lane_time)
        if not _leaves_its_event_id(verdict):
            self.taken[_id_of(message)] = message.body
        self._record(message, verdict, self.lane_time)
        if verdict == PARKED:
            self.parked.append(
                {"party": party, "message": message, "since": self.lane_time, "missing": self.missing, "tried": False}
            )
        self._aftermath(party, self.lane_time, message.occurred_at, by_itself=False)

    def _aftermath(self, party: Party, now: datetime, at: datetime, *, by_itself: bool) -> None:
        """What is due by now is part of what a message brought about; then what waited for that, in arrival order.

        At an instant that comes by itself all else that is due has its own place, and what waited does not wait for it.
        """
        while True:
            if by_itself and (woken := self._wake_one(party, now)):
                at = woken.occurred_at
                continue
            thing = self._next_due(party, now)
            if thing is not None and thing[2] != "parking":
                self._do(party, thing, now, at, by_itself=by_itself)
            elif woken := self._wake_one(party, now):
                at = woken.occurred_at
            elif thing is not None:
                self._do(party, thing, now, at, by_itself=by_itself)
            else:
                return

    def _wake_one(self, party: Party, now: datetime) -> Input | None:
        """Decide the first of what waits whose time has come."""
        for waiting in [each for each in self.parked if each["party"] == party]:
            if waiting["missing"] and not self._has_come(party, *waiting["missing"]):
                continue
            verdict = self._decide(party, waiting["message"], now)
            waiting["missing"], waiting["tried"] = self.missing, True
            if verdict != PARKED:
                self.parked.remove(waiting)
                if _leaves_its_event_id(verdict):
                    del self.taken[_id_of(waiting["message"])]
                self._record(waiting["message"], verdict, now, was_parked=True)
                return waiting["message"]
        return None

    def _record(self, message: Input, verdict: Verdict, at: datetime, *, was_parked: bool = False) -> None:
        self.verdicts.append({"input": message, "verdict": verdict, "at": at, "was_parked": was_parked})

    # What becomes due without a message.

    def _catch_up(self) -> None:
        for party in {*self.parties, *(each["party"] for each in self.parked)}:
            while thing := self._next_due(party, self.lane_time):
                self._do(party, thing, thing[0], thing[0], by_itself=True)
                self._aftermath(party, thing[0], thing[0], by_itself=True)

    def _next_due(self, party: Party, now: datetime) -> tuple | None:
        things = [
            (each["since"] + PARKING, 10, "parking", place, each)
            for place, each in enumerate(self.parked)  # in arrival order
            if each["party"] == party and not self._is_decided_now(party, each)
        ]
        known = self.parties.get(party)
        if known and party.kind is PartyKind.MERCHANT:
            things += self.due_of_merchant(known)
        elif known:
            things += self.due_of_orders(known) + self.due_of_returns(known) + self.due_of_obligations(known)
        due = [thing for thing in things if thing[0] <= now]
        return min(due, key=lambda thing: thing[:4]) if due else None

    def _do(self, party: Party, thing: tuple, now: datetime, at: datetime, *, by_itself: bool) -> None:
        """Do what is due.

        Args:
            party: whose.
            thing: (instant, rank, kind, name, what).
            now: the instant, or lane time for what comes about only then.
            at: the instant, or when it occurred that brought it about.
            by_itself: it has its place among the steps of its instant; what a message brings about comes after them.
        """
        instant, rank, kind, _, what = thing
        self.among_overdue = by_itself and rank <= DUE_DAY and self.fell == (party, now)
        self.before_overdue = by_itself and rank <= DUE_DAY and not self.among_overdue
        self.credit_waits = by_itself and rank < DUE_DAY
        if kind == "parking":
            self._give_up_waiting_for(party, what, now)
        elif party.kind is PartyKind.MERCHANT:
            self.fired[kind] += 1
            self.fired[f"{kind}, told late"] += now > instant
            self.do_of_merchant(party, self.parties[party], kind, what, now)
        else:
            self._do_of_account(self.parties[party], thing, now, at)
        self.before_overdue = self.among_overdue = self.credit_waits = False
        if kind == "overdue" and by_itself:
            self.fell = (party, now)

    def _do_of_account(self, known: Facts, thing: tuple, now: datetime, at: datetime) -> None:
        instant, rank, kind, _, what = thing
        self.fired[kind] += 1
        does: dict[str, Callable[[], object]] = {
            "automatic_receipt": lambda: self.receive_order(known, what, now, what["placed_at"] + AUTOMATIC_RECEIPT),
            "parcel": lambda: self.expire(known, what, now),
            "trial": lambda: self.capture(known, what, now, instant, trial_ended=True),
            "due": lambda: self.due_day(known, *what, now, at),
            "overdue": lambda: self.overdue_day(known, *what, now),
            "penalty": lambda: self.penalty_day(known, what, now),
            "retry": lambda: self.retry(known, what, now),
            "unanswered": lambda: self.give_up_waiting(known, what, now),
            "restore": lambda: self.end_overdue_freeze(known, "cleared", now),
            "reminder": lambda: self.remind(known, what, now),
            "trial_reminder": lambda: self.remind_of_trial(known, what, now),
        }
        does[kind]()
        self.settle_up(
            known, now, at, credit_at=before_the_steps_of(now) if self.before_overdue and rank < DUE_DAY else now
        )

    def _give_up_waiting_for(self, party: Party, waiting: Facts, now: datetime) -> None:
        """Money is taken all the same; everything else is a dead letter."""
        self.parked.remove(waiting)
        message, known = waiting["message"], self.parties.get(party)
        verdict = ("dead_lettered", "unmatched")
        if isinstance(message.body, RepaymentReceived):
            if known:
                verdict = self.repayment_waited_in_vain(known, message.body, now, message.occurred_at)
            else:
                verdict = self.put_in_suspense(party, message.body, now)
        if _leaves_its_event_id(verdict):
            del self.taken[_id_of(message)]
        self._record(message, verdict, now, was_parked=True)

    # Deciding.

    def _decide(self, party: Party, message: Input, now: datetime) -> Verdict:
        self.missing = None
        if self._is_too_much(message.body):
            return AMOUNT_OVERFLOW
        name = type(message.body).__name__
        decide = getattr(self, "on_" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
        if name in {"CreditLineOpened", "MerchantRegistered", "MerchantActivity"}:
            return decide(party, message.body, now, message.occurred_at)
        if isinstance(message.body, SuspenseReleased):
            return decide(party, message.body, now, message.occurred_at)
        known = self.parties.get(party)
        if known is None or not known["known"]:
            return self._about_unknown(party, message.body, now)
        if name in CLOSED_LINE_KNOWS_NONE and known["closed"]:
            return declined("line_closed")
        verdict = decide(known, message.body, now, message.occurred_at)
        if name in MAKES and verdict == declined("subject_declined"):
            kind, field = MAKES[name]
            self.refuse(party, kind, getattr(message.body, field), "subject_declined")
        if party.kind is PartyKind.ACCOUNT:
            self.settle_up(known, now, message.occurred_at)
        return verdict

    def _is_too_much(self, body: Body) -> bool:
        """Whether the lane's gateway would hold more than 64 bits can, with this money."""
        if not isinstance(body, RepaymentReceived | DepositPaid):
            return False
        return self._in_gateway() + body.amount_minor > MOST

    def _in_gateway(self) -> int:
        came = gone = 0
        for known in self.parties.values():
            repayments = known.get("repayments", {}).values()
            came += sum(each["body"].amount_minor for each in repayments if not each["reversed"])
            came += sum(each["payment"].amount_minor for each in known.get("deposits", {}).values())
            gone += sum(each["request"]["amount"] for each in known["payouts"].values() if is_gone(each))
        kept = [each for entries in self.suspense.values() for each in entries.values()]
        return came - gone + sum(each["body"].amount_minor for each in kept if each["status"] == "held")

    def _about_unknown(self, party: Party, body: Body, now: datetime) -> Verdict:
        """Money waits for an account even if that was declined, and a reversal for the money."""
        told = self.told_in_suspense(party, body, now)
        if told:
            return told
        match body:
            case RepaymentReceived():
                self.missing = ("opening", party.id)
                return PARKED
            case RepaymentReversed():
                self.missing = ("repayment", body.repayment_id)
                return PARKED
        return self.unknown(party, "party", party.id)

    def unknown(self, party: Party, kind: str, name: str) -> Verdict:
        """What becomes of a message that names what there is not."""
        if (party, kind, name) in self.refused:
            return declined("subject_declined")
        self.missing = (kind, name)
        return PARKED

    def _is_decided_now(self, party: Party, waiting: Facts) -> bool:
        """What it waited for has just come: it is decided, not given up."""
        return bool(waiting["missing"]) and not waiting["tried"] and self._has_come(party, *waiting["missing"])

    def _has_come(self, party: Party, kind: str, name: str) -> bool:
        if (party, kind, name) in self.refused:
            return True
        if kind in {"suspense", "repayment"} and name in self.suspense_of(party):
            return True
        known = self.parties.get(party)
        if kind in {"party", "opening"} or not known:
            return bool(known and known["known"])
        if kind == "debit":
            return any(each["debit_id"] == name for each in known["debits"])
        if kind == "reversal":
            repayment = known["repayments"].get(name)
            return bool(repayment and (repayment["reversed"] or repayment["reinstated"]))  # it came, undone or not
        return kind != "suspense" and name in known[kind + "s"]


def is_gone(payout: Facts) -> bool:
    return payout["status"] == "succeeded"


def _id_of(message: Input) -> tuple[str, str | None, str]:
    return (message.source.topic, message.party and message.party.id, message.event_id)


def _leaves_its_event_id(verdict: Verdict) -> bool:
    """A conflict stays one, because the id it wants to take stays taken; a dead letter may be sent once more."""
    return verdict == CONFLICT or verdict[0] == "dead_lettered"
