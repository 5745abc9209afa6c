"""The rules of the slice once more, as naively as can be: the second opinion the core is tested against.

Written from the domain's description, not from `settlement`: it shares only the message types. Everything is a plain
dict; no balance is kept, each is summed up from orders, obligations and the list of what happened; there are no timers:
after each message the model looks at all it knows for what has become due.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from settlement.messages import Input
from settlement.party import Party, PartyKind

ZONE = ZoneInfo("Asia/Shanghai")
PARKING = timedelta(hours=72)
TIME_JUMP = timedelta(days=400)
RETRIES = (timedelta(hours=24), timedelta(hours=48))
FREEZE = timedelta(days=30)
REVIEW_DAYS, URGENT_REVIEW_DAYS = 7, 3

PLANS = {
    "kuaishou": {("deferred", 30), ("deferred", 60), ("deferred", 90)},
    "taobao": set(),  # its plans, statement and instalment, are not in the slice
    "douyin": set(),
    "tmall": {("trial", 7), ("trial", 14), ("trial", 30)},
}
NEEDS_CARD = {"taobao", "douyin"}
NEEDS_IDENTITY = {"douyin"}
LEAST_SCORE = {"tmall": 650}
NO_INSPECTION = {"kuaishou"}

APPLIED, DUPLICATE, CONFLICT = ("applied", None), ("duplicate", None), ("conflict", None)
PARKED, WRONG_STATE = ("parked", None), ("declined", "wrong_state")
Verdict = tuple[str, str | None]
Facts = dict[str, Any]


def business_date(instant: datetime) -> date:
    return instant.astimezone(ZONE).date()


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def declined(reason: str) -> Verdict:
    return ("declined", reason)


class Model:
    """Settles one lane's inputs.

    Args:
        working_days: the days that are worked.
        name_debit: gives a new debit the id under which messages will speak of it, from its facts.
    """

    def __init__(self, working_days: frozenset[date], name_debit: Callable[[Facts], str]) -> None:
        self.working_days = working_days
        self.name_debit = name_debit
        self.lane_time: datetime | None = None
        self.parties: dict[Party, Facts] = {}
        self.taken: dict[tuple[str, str | None, str], object] = {}
        self.refused: set[tuple[Party, str, str]] = set()
        self.parked: list[Facts] = []
        self.missing: tuple[str, str] | None = None
        self.verdicts: list[Facts] = []
        self.outputs: list[tuple[Party, tuple]] = []
        self.activity: Counter[tuple[str, str, str]] = Counter()

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
            self.taken[_id_of(message)] = message.body
            self._record(message, APPLIED, self.lane_time)
        else:
            self._settle(message.party, message)

    def _settle(self, party: Party, message: Input) -> None:
        verdict = self._decide(party, message, self.lane_time)
        if verdict != CONFLICT:  # which it stays, because the id it wants to take stays taken
            self.taken[_id_of(message)] = message.body
        self._record(message, verdict, self.lane_time)
        if verdict == PARKED:
            self.parked.append({"party": party, "message": message, "since": self.lane_time, "missing": self.missing})
        self._aftermath(party, self.lane_time)

    def _aftermath(self, party: Party, now: datetime) -> None:
        """What is due by now happens at once; then what waited for any of it, in arrival order, until nothing moves."""
        moved = True
        while moved:
            self._do_due(party, now)
            moved = False
            for waiting in [each for each in self.parked if each["party"] == party]:
                if waiting["missing"] and not self._has_come(party, *waiting["missing"]):
                    continue
                verdict = self._decide(party, waiting["message"], now)
                waiting["missing"] = self.missing
                if verdict != PARKED:
                    self.parked.remove(waiting)
                    if verdict == CONFLICT:
                        del self.taken[_id_of(waiting["message"])]
                    self._record(waiting["message"], verdict, now, was_parked=True)
                    moved = True
                    break

    def _record(self, message: Input, verdict: Verdict, at: datetime, *, was_parked: bool = False) -> None:
        self.verdicts.append({"input": message, "verdict": verdict, "at": at, "was_parked": was_parked})

    # What becomes due without a message.

    def _catch_up(self) -> None:
        for party in {*self.parties, *(each["party"] for each in self.parked)}:
            while thing := self._next_due(party, self.lane_time):
                self._do(party, thing, thing[0])
                self._aftermath(party, thing[0])

    def _do_due(self, party: Party, now: datetime) -> None:
        """Do at once what is due already, as of now; what is due at this very instant too, in the order of kinds."""
        while thing := self._next_due(party, now):
            self._do(party, thing, now)

    def _next_due(self, party: Party, now: datetime) -> tuple | None:
        things = [
            (each["since"] + PARKING, 10, "parking", each["message"].event_id, each)
            for each in self.parked
            if each["party"] == party
        ]
        known = self.parties.get(party)
        if known and party.kind is PartyKind.ACCOUNT:
            things += self._due_of_account(known)
        elif known:
            for request in known["requests"].values():
                if request["status"] == "approved":
                    frozen_until = known["deposits"][request["deposit_id"]]["frozen_until"]
                    things.append((midnight(frozen_until), 80, "deposit", request["request_id"], request))
        due = [thing for thing in things if thing[0] <= now]
        return min(due, key=lambda thing: thing[:4]) if due else None

    def _due_of_account(self, account: Facts) -> list[tuple]:
        trials = [
            (midnight(order["due_on"]), 10, "trial", order["order_id"], order)
            for order in account["orders"].values()
            if order["status"] == "trial" and not _open_returns(account, order)
        ]
        due_days = [
            (midnight(owed["due_on"]), 30, "due", owed["due_on"].isoformat(), owed["due_on"])
            for owed in account["obligations"]
            if _open(owed) and owed["day_done"] != owed["due_on"]
        ]
        retries = [
            (debit["retry_at"], 60, "retry", debit["debit_id"], debit)
            for debit in account["debits"]
            if debit["retry_at"] is not None
        ]
        return trials + due_days + retries

    def _do(self, party: Party, thing: tuple, now: datetime) -> None:
        kind, what = thing[2], thing[4]
        if kind == "parking":
            self.parked.remove(what)
            del self.taken[_id_of(what["message"])]
            self._record(what["message"], ("dead_lettered", "unmatched"), now, was_parked=True)
        elif kind == "deposit":
            self._pay_deposit(party, self.parties[party], what, now)
        elif kind == "trial":
            self._capture(self.parties[party], what, "trial_ended")
        elif kind == "due":
            self._due_day(self.parties[party], what, now)
        else:
            self._retry(self.parties[party], what, now)

    # Deciding.

    def _decide(self, party: Party, message: Input, now: datetime) -> Verdict:
        self.missing = None
        body = message.body
        decide = getattr(self, "_on_" + type(body).__name__)
        if type(body).__name__ in {"CreditLineOpened", "MerchantRegistered", "MerchantActivity"}:
            return decide(party, body, now, message.occurred_at)
        known = self.parties.get(party)
        if known is None or not known["known"]:
            return self._unknown(party, "party", party.id)
        return decide(known, body, now, message.occurred_at)

    def _unknown(self, party: Party, kind: str, name: str) -> Verdict:
        if (party, kind, name) in self.refused:
            return declined("subject_declined")
        self.missing = (kind, name)
        return PARKED

    def _has_come(self, party: Party, kind: str, name: str) -> bool:
        if (party, kind, name) in self.refused:
            return True
        known = self.parties.get(party)
        if kind == "party" or not known:
            return bool(known and known["known"])
        if kind == "debit":
            return any(each["debit_id"] == name for each in known["debits"])
        return name in known[kind + "s"]

    def _refuse(self, party: Party, kind: str, name: str, reason: str) -> Verdict:
        self.refused.add((party, kind, name))
        return declined(reason)

    # Credit line.

    def _on_CreditLineOpened(self, party, body, now, at) -> Verdict:  # noqa: N802 - named like the message
        if party in self.parties:
            return DUPLICATE if self.parties[party]["opening"] == body else CONFLICT
        if body.currency != "CNY":  # all four programmes
            return self._refuse(party, "party", party.id, "currency_mismatch")
        self.parties[party] = {
            "party": party,
            "known": True,
            "opening": body,
            "currency": body.currency,
            "limit": body.limit_minor,
            "score": body.score,
            "card": body.card_linked,
            "identity": body.identity_verified,
            "freezes": set(),
            "was_frozen": set(),
            "orders": {},
            "obligations": [],
            "debits": [],
            "returns": {},
            "repayments": {},
            "credits": [],
        }
        return APPLIED

    def _on_LimitChanged(self, account, body, now, at) -> Verdict:  # noqa: N802
        if body.currency != account["currency"]:
            return declined("currency_mismatch")
        change = body.limit_minor - account["limit"]
        account["limit"] = body.limit_minor
        if change > 0:
            self._restored(account, change, "limit_raised", now)
        elif change < 0:
            self._emit(account, now, "limit.reclaimed", -change, "limit_lowered", available(account), account["limit"])
            self._notify(account, now, "limit_reclaimed")
        return APPLIED

    def _on_ScoreChanged(self, account, body, now, at) -> Verdict:  # noqa: N802
        account["score"] = body.score
        return APPLIED

    def _on_CardLinked(self, account, body, now, at) -> Verdict:  # noqa: N802
        if account["card"]:
            return DUPLICATE
        account["card"] = True
        return APPLIED

    def _on_IdentityVerified(self, account, body, now, at) -> Verdict:  # noqa: N802
        if account["identity"]:
            return DUPLICATE
        account["identity"] = True
        return APPLIED

    def _on_LineFrozen(self, account, body, now, at) -> Verdict:  # noqa: N802
        if body.reason in account["freezes"]:
            return DUPLICATE
        account["freezes"].add(body.reason)
        account["was_frozen"].add(body.reason)
        if body.reason == "risk_login":
            account["identity"] = False
        return APPLIED

    def _on_LineUnfrozen(self, account, body, now, at) -> Verdict:  # noqa: N802
        if body.reason not in account["was_frozen"]:
            return PARKED
        if body.reason not in account["freezes"]:
            return DUPLICATE
        if body.reason == "risk_login" and not account["identity"]:
            return declined("identity_not_verified")
        account["freezes"].remove(body.reason)
        if not account["freezes"] and available(account) > 0:
            self._restored(account, available(account), "unfrozen", now)
        return APPLIED

    def _restored(self, account: Facts, amount: int, reason: str, now: datetime) -> None:
        self._emit(account, now, "limit.restored", amount, reason, available(account), account["limit"])
        self._notify(account, now, "limit_restored")

    # Purchase.

    def _on_PurchasePlaced(self, account, body, now, at) -> Verdict:  # noqa: N802
        known = account["orders"].get(body.order_id)
        if known:
            return DUPLICATE if known["placing"] == body else CONFLICT
        reason = self._why_not(account, body)
        if reason:
            self._notify(account, now, "purchase_declined", reason)
            return self._refuse(account["party"], "order", body.order_id, reason)
        trial = body.plan.kind.value == "trial"
        account["orders"][body.order_id] = {
            "order_id": body.order_id,
            "placing": body,
            "merchant_id": body.merchant_id,
            "amount": body.amount_minor,
            "returned": 0,
            "trial": trial,
            "days": body.plan.days,
            "status": "held",
            "received": False,
            "kept": False,
            "due_on": None if trial else business_date(at) + timedelta(days=body.plan.days),
        }
        self._notify(account, now, "purchase_accepted")
        return APPLIED

    def _why_not(self, account: Facts, body: Any) -> str | None:
        programme = account["opening"].programme
        kind = body.plan.kind.value
        checks = [
            (account["freezes"], "line_frozen"),
            (programme in NEEDS_CARD and not account["card"], "card_not_linked"),
            (programme in NEEDS_IDENTITY and not account["identity"], "identity_not_verified"),
            ((account["score"] or 0) < LEAST_SCORE.get(programme, 0), "score_below_threshold"),
            (not body.item_eligible, "not_supported"),
            (body.item_plans is not None and kind not in [each.value for each in body.item_plans], "not_supported"),
            ((kind, body.plan.days) not in PLANS[programme], "plan_not_offered"),
            (body.currency != account["currency"], "currency_mismatch"),
            (body.amount_minor > available(account), "limit_exceeded"),
        ]
        return next((reason for fails, reason in checks if fails), None)

    def _order(self, account: Facts, order_id: str) -> Facts | Verdict:
        return account["orders"].get(order_id) or self._unknown(account["party"], "order", order_id)

    def _on_PurchaseReceived(self, account, body, now, at) -> Verdict:  # noqa: N802
        order = self._order(account, body.order_id)
        if isinstance(order, tuple):
            return order
        if order["received"]:
            return DUPLICATE
        if order["status"] != "held":
            return WRONG_STATE
        order["received"] = True
        if order["trial"]:
            order["status"] = "trial"
            order["due_on"] = business_date(at) + timedelta(days=order["days"])
        else:
            self._capture(account, order, "received")
        return APPLIED

    def _on_PurchaseKept(self, account, body, now, at) -> Verdict:  # noqa: N802
        order = self._order(account, body.order_id)
        if isinstance(order, tuple):
            return order
        if order["kept"]:
            return DUPLICATE
        if order["trial"] and order["status"] == "held" and not _open_returns(account, order):
            return PARKED
        if order["status"] != "trial" or _open_returns(account, order):
            return WRONG_STATE
        order["kept"] = True
        owed = self._capture(account, order, "kept")
        self._debit(account, [owed], owed["due_on"], 1, "kept", now, now)
        return APPLIED

    def _on_PurchaseCancelled(self, account, body, now, at) -> Verdict:  # noqa: N802
        order = self._order(account, body.order_id)
        if isinstance(order, tuple):
            return order
        if order["status"] == "cancelled":
            return DUPLICATE
        if order["status"] != "held" or order["received"]:
            return WRONG_STATE
        for each in _open_returns(account, order):
            self._end_return(account, order, each, "withdrawn")
        released = _left(order)
        order["status"] = "cancelled"
        self._released(account, order["order_id"], released, "cancelled", now)
        return APPLIED

    def _capture(self, account: Facts, order: Facts, by: str) -> Facts:
        order["status"] = "owed"
        owed = {
            "order": order,
            "due_on": order["due_on"],
            "principal": _left(order),
            "paid": 0,
            "by": by,
            "day_done": None,
        }
        account["obligations"].append(owed)
        self.activity[order["merchant_id"], account["currency"], "payable"] += owed["principal"]
        return owed

    # Debits.

    def _due_day(self, account: Facts, day: date, now: datetime) -> None:
        """Customer credit first, to all that is due by then; then one debit for what is left of that due date."""
        pot = credit(account)
        due = [owed for owed in _in_pay_order(account) if owed["due_on"] <= day]
        spent = self._allocate(account, due, pot, now)
        if spent:
            account["credits"].append(-spent)
            self._lowered(account, now)
            self._pay_out_credit(account, now)
        group = []
        for owed in _in_pay_order(account):
            if owed["due_on"] == day:
                owed["day_done"] = day
                if not _asked_for(account, owed) and not _open_returns(account, owed["order"]):
                    group.append(owed)
        fresh = any(owed["by"] == "trial_ended" for owed in group)
        for owed in group:
            owed["by"] = "done"
        self._debit(account, group, day, 1, "trial_ended" if fresh else "due", now, now)

    def _debit(self, account, obligations, due_on, attempt, reason, first_at, now) -> None:
        wanted = [owed for owed in obligations if _open(owed)]
        if not wanted:
            return
        debit = {
            "account_id": account["party"].id,
            "amount": sum(_open(owed) for owed in wanted),
            "order_ids": sorted({owed["order"]["order_id"] for owed in wanted}),
            "due_on": due_on,
            "attempt": attempt,
            "reason": reason,
        }
        name = self.name_debit(debit)
        self._emit(account, now, "auto_debit.requested", name, *list(debit.values())[1:])
        account["debits"].append(
            debit
            | {
                "debit_id": name,
                "obligations": wanted,
                "to_retry": wanted,
                "status": "requested",
                "first_at": first_at,
                "retry_at": None,
            }
        )

    def _cancel(self, account: Facts, debit: Facts, now: datetime) -> None:
        debit["status"] = "cancelled"
        self._emit(account, now, "auto_debit.cancelled", debit["debit_id"])

    def _lowered(self, account: Facts, now: datetime) -> None:
        """A requested debit that asks for more than is open on its obligations is replaced."""
        for debit in list(account["debits"]):
            if debit["status"] == "requested" and sum(map(_open, debit["obligations"])) < debit["amount"]:
                self._cancel(account, debit, now)
                self._again(account, debit, debit["obligations"], now)

    def _again(self, account: Facts, debit: Facts, obligations: list[Facts], now: datetime) -> None:
        self._debit(account, obligations, debit["due_on"], debit["attempt"], debit["reason"], debit["first_at"], now)

    def _retry(self, account: Facts, debit: Facts, now: datetime) -> None:
        debit["retry_at"] = None
        self._debit(account, debit["to_retry"], debit["due_on"], debit["attempt"] + 1, "retry", debit["first_at"], now)

    # Repayment.

    def _on_RepaymentReceived(self, account, body, now, at) -> Verdict:  # noqa: N802
        known = account["repayments"].get(body.repayment_id)
        if known:
            return DUPLICATE if known == body else CONFLICT
        debit = next((each for each in account["debits"] if each["debit_id"] == body.debit_id), None)
        if body.debit_id is not None and debit is None:
            return self._unknown(account["party"], "debit", body.debit_id)
        order = None
        if body.order_id is not None:
            order = self._order(account, body.order_id)
            if isinstance(order, tuple):
                return order
        if body.currency != account["currency"]:
            return declined("currency_mismatch")
        account["repayments"][body.repayment_id] = body
        order_of = _in_pay_order(account)
        if debit is not None:
            theirs = [owed for owed in order_of if any(owed is each for each in debit["obligations"])]
            goes_to = theirs + [owed for owed in order_of if not any(owed is each for each in theirs)]
            debit["status"], debit["retry_at"] = "succeeded", None
            self._notify(account, now, "debit_made")
        elif body.purpose == "order":
            goes_to = [owed for owed in order_of if owed["order"] is order]
        else:
            goes_to = order_of
        spent = self._allocate(account, goes_to, body.amount_minor, now)
        account["credits"].append(body.amount_minor - spent)
        self._lowered(account, now)
        self._pay_out_credit(account, now)
        return APPLIED

    def _on_RepaymentFailed(self, account, body, now, at) -> Verdict:  # noqa: N802
        debit = next((each for each in account["debits"] if each["debit_id"] == body.debit_id), None)
        if debit is None:
            return self._unknown(account["party"], "debit", body.debit_id)
        if debit["status"] == "failed":
            return DUPLICATE
        if debit["status"] != "requested":
            return WRONG_STATE
        debit["status"] = "failed"
        if body.retryable and debit["attempt"] <= len(RETRIES):
            debit["retry_at"] = debit["first_at"] + RETRIES[debit["attempt"] - 1]
        else:
            self._notify(account, now, "debit_failed")
        return APPLIED

    def _allocate(self, account: Facts, obligations: list[Facts], money: int, now: datetime) -> int:
        """Pay obligations in the order given; one release for each order. Returns what was spent."""
        shares = {owed["order"]["order_id"]: 0 for owed in _in_pay_order(account)}
        for owed in obligations:
            share = min(money - sum(shares.values()), _open(owed))
            shares[owed["order"]["order_id"]] += share
            owed["paid"] += share
        before = available(account) - sum(shares.values())
        for order_id, share in shares.items():
            before += share
            if share:
                self._emit(account, now, "limit.released", order_id, share, "repaid", before, account["limit"])
        for order in account["orders"].values():
            _settle_order(account, order)
        return sum(shares.values())

    def _pay_out_credit(self, account: Facts, now: datetime) -> None:
        left = credit(account)
        if left and not any(map(_open, account["obligations"])):
            account["credits"].append(-left)
            self._pay(account, now, left, "card", "overpayment")

    # Return.

    def _on_ReturnRequested(self, account, body, now, at) -> Verdict:  # noqa: N802
        known = account["returns"].get(body.return_id)
        if known:
            return DUPLICATE if known["request"] == body else CONFLICT
        order = self._order(account, body.order_id)
        if isinstance(order, tuple):
            return order
        reason = self._why_no_return(account, order, body, at)
        if reason:
            self._notify(account, now, "return_declined", reason)
            return self._refuse(account["party"], "return", body.return_id, reason)
        back = {"request": body, "order": order, "amount": body.amount_minor, "status": "awaiting_parcel"}
        account["returns"][body.return_id] = back
        self.activity[order["merchant_id"], account["currency"], "after_sales"] += 1
        self._notify(account, now, "return_approved")
        for debit in list(account["debits"]):
            others = [owed for owed in debit["obligations"] if owed["order"] is not order]
            if debit["status"] == "requested" and others != debit["obligations"]:
                self._cancel(account, debit, now)
                self._again(account, debit, others, now)
            debit["to_retry"] = [owed for owed in debit["to_retry"] if owed["order"] is not order]
        if account["opening"].programme in NO_INSPECTION:
            self._refund(account, order, back, now, at)
        return APPLIED

    def _why_no_return(self, account: Facts, order: Facts, body: Any, at: datetime) -> str | None:
        day = order["due_on"]
        if day is None:
            closed = False
        elif order["trial"]:
            closed = at >= midnight(day)
        else:
            closed = business_date(at) > day
        checks = [
            (order["status"] == "cancelled", "wrong_state"),
            (body.currency != account["currency"], "currency_mismatch"),
            (body.amount_minor > _left(order) - under_return(account, order), "amount_exceeds_order"),
            (closed, "window_closed"),
        ]
        return next((reason for fails, reason in checks if fails), None)

    def _on_ParcelInspected(self, account, body, now, at) -> Verdict:  # noqa: N802
        back = account["returns"].get(body.return_id)
        if back is None:
            return self._unknown(account["party"], "return", body.return_id)
        if back["status"] != "awaiting_parcel":
            return DUPLICATE if back.get("inspected") == body.condition else WRONG_STATE
        back["inspected"] = body.condition
        if body.condition == "intact":
            self._refund(account, back["order"], back, now, at)
        else:
            self._end_return(account, back["order"], back, "parcel_refused")
            self._notify(account, now, "parcel_refused")
            self._goes_on(account, back["order"], at)
        return APPLIED

    def _end_return(self, account: Facts, order: Facts, back: Facts, status: str) -> None:
        back["status"] = status
        self.activity[order["merchant_id"], account["currency"], "after_sales"] -= 1

    def _refund(self, account: Facts, order: Facts, back: Facts, now: datetime, at: datetime) -> None:
        self._end_return(account, order, back, "refunded")
        amount = back["amount"]
        owed = next((each for each in account["obligations"] if each["order"] is order), None)
        unpaid = amount if owed is None else min(amount, _open(owed))
        order["returned"] += amount
        if owed is not None:
            owed["principal"] -= amount
            owed["paid"] -= amount - unpaid
            self.activity[order["merchant_id"], account["currency"], "payable"] -= amount
        self._released(account, order["order_id"], unpaid, "returned", now)
        if amount > unpaid:
            self._pay(account, now, amount - unpaid, "card", "order_refund")
        self._notify(account, now, "return_refunded")
        if not _left(order):
            order["status"] = "returned"
        _settle_order(account, order)
        self._lowered(account, now)
        self._pay_out_credit(account, now)
        self._goes_on(account, order, at)

    def _goes_on(self, account: Facts, order: Facts, at: datetime) -> None:
        """After its last return ended the order's due date is at least the next business date; it is debited again."""
        if _open_returns(account, order):
            return
        day = business_date(at) + timedelta(days=1)
        if order["status"] in {"held", "trial", "owed"} and order["due_on"] is not None:
            order["due_on"] = max(order["due_on"], day)
        for owed in account["obligations"]:
            if owed["order"] is order and _open(owed):
                owed["due_on"] = max(owed["due_on"], day)
                if not _asked_for(account, owed):
                    owed["day_done"] = None

    def _released(self, account: Facts, order_id: str, amount: int, reason: str, now: datetime) -> None:
        if amount:
            self._emit(account, now, "limit.released", order_id, amount, reason, available(account), account["limit"])

    # Merchant.

    def _merchant(self, party: Party) -> Facts:
        return self.parties.setdefault(
            party,
            {
                "party": party,
                "known": False,
                "registration": None,
                "currency": None,
                "payable": defaultdict(int),
                "after_sales": 0,
                "cases": {},
                "deposits": {},
                "requests": {},
                "shop_balance": 0,
            },
        )

    def _on_MerchantActivity(self, party, body, now, at) -> Verdict:  # noqa: N802
        merchant = self._merchant(party)
        merchant["payable"][body.currency] += body.payable_minor
        merchant["after_sales"] += body.after_sales
        return APPLIED

    def _on_MerchantRegistered(self, party, body, now, at) -> Verdict:  # noqa: N802
        merchant = self._merchant(party)
        if merchant["known"]:
            return DUPLICATE if merchant["registration"] == body else CONFLICT
        merchant.update(known=True, registration=body, currency=body.currency)
        return APPLIED

    def _on_CaseOpened(self, merchant, body, now, at) -> Verdict:  # noqa: N802
        known = merchant["cases"].get((body.kind, body.case_id))
        if known:
            return DUPLICATE if known["opening"] == body else CONFLICT
        merchant["cases"][body.kind, body.case_id] = {"opening": body, "open": True}
        return APPLIED

    def _on_CaseClosed(self, merchant, body, now, at) -> Verdict:  # noqa: N802
        known = merchant["cases"].get((body.kind, body.case_id))
        if not known:
            return PARKED
        if not known["open"]:
            return DUPLICATE
        known["open"] = False
        return APPLIED

    def _on_DepositPaid(self, merchant, body, now, at) -> Verdict:  # noqa: N802
        known = merchant["deposits"].get(body.deposit_id)
        if known:
            return DUPLICATE if known["payment"] == body else CONFLICT
        if body.currency != merchant["currency"]:
            return self._refuse(merchant["party"], "deposit", body.deposit_id, "currency_mismatch")
        frozen_until = business_date(at) + FREEZE
        merchant["deposits"][body.deposit_id] = {
            "payment": body,
            "left": body.amount_minor,
            "frozen_until": frozen_until,
        }
        return APPLIED

    # Deposit refund.

    def _on_DepositRefundRequested(self, merchant, body, now, at) -> Verdict:  # noqa: N802
        known = merchant["requests"].get(body.request_id)
        if known:
            return DUPLICATE if known["request"] == body else CONFLICT
        deposit = merchant["deposits"].get(body.deposit_id)
        if deposit is None:
            return self._unknown(merchant["party"], "deposit", body.deposit_id)
        party = merchant["party"]
        if body.currency != merchant["currency"]:
            self._notify(merchant, now, "deposit_refund_refused", ("currency_mismatch",))
            return self._refuse(party, "request", body.request_id, "currency_mismatch")
        amount = deposit["left"] if body.amount_minor is None else body.amount_minor
        request = {
            "request_id": body.request_id,
            "request": body,
            "deposit_id": body.deposit_id,
            "amount": amount,
            "status": "awaiting_review",
            "reasons": (),
            "review_due_on": self._working_day(at, URGENT_REVIEW_DAYS if body.urgent else REVIEW_DAYS),
        }
        unmet = self._unmet(merchant, request)
        if unmet:
            self._notify(merchant, now, "deposit_refund_refused", unmet)
            return self._refuse(party, "request", body.request_id, unmet[0])
        merchant["requests"][body.request_id] = request
        self._notify(merchant, now, "deposit_refund_received")
        return APPLIED

    def _unmet(self, merchant: Facts, request: Facts) -> tuple[str, ...]:
        still_open = {key[0].value for key, case in merchant["cases"].items() if case["open"]}
        deposit = merchant["deposits"][request["deposit_id"]]
        others = [
            each
            for each in merchant["requests"].values()
            if each is not request
            and each["deposit_id"] == request["deposit_id"]
            and each["status"] in {"awaiting_review", "approved"}
        ]
        checks = [
            ("promotion" in still_open, "promotion_active"),
            ("dispute" in still_open, "dispute_open"),
            (merchant["after_sales"] > 0, "after_sale_open"),
            ("violation" in still_open, "violation_open"),
            (request["amount"] > deposit["left"] or not request["amount"], "amount_exceeds_deposit"),
            (others, "refund_in_progress"),
        ]
        return tuple(reason for fails, reason in checks if fails)

    def _on_DepositRefundReviewed(self, merchant, body, now, at) -> Verdict:  # noqa: N802
        request = merchant["requests"].get(body.request_id)
        if request is None:
            return self._unknown(merchant["party"], "request", body.request_id)
        if request["status"] != "awaiting_review":
            return DUPLICATE if request["review"] == body.outcome else WRONG_STATE
        request["review"] = body.outcome
        if body.outcome == "rejected":
            request["status"] = "rejected"
            self._notify(merchant, now, "deposit_refund_rejected")
        elif unmet := self._unmet(merchant, request):
            self._end_request(merchant, request, unmet, now)
        else:
            request["status"] = "approved"
            self._notify(merchant, now, "deposit_refund_approved")
        return APPLIED

    def _pay_deposit(self, party: Party, merchant: Facts, request: Facts, now: datetime) -> None:
        unmet = self._unmet(merchant, request)
        if unmet:
            self._end_request(merchant, request, unmet, now)
            return
        request["status"] = "paid"
        deposit = merchant["deposits"][request["deposit_id"]]
        deposit["left"] -= request["amount"]
        if request["request"].refund_to == "original_route":
            self._pay(merchant, now, request["amount"], deposit["payment"].route, "deposit_refund")
        else:
            merchant["shop_balance"] += request["amount"]
        self._notify(merchant, now, "deposit_refund_paid")

    def _end_request(self, merchant: Facts, request: Facts, unmet: tuple[str, ...], now: datetime) -> None:
        request["status"], request["reasons"] = "declined", unmet
        self._notify(merchant, now, "deposit_refund_refused", unmet)

    def _working_day(self, at: datetime, count: int) -> date:
        after = (business_date(at) + timedelta(days=n) for n in range(1, 100))
        return [day for day in after if day in self.working_days][count - 1]

    # Outputs: (instant, type, business fields).

    def _emit(self, party: Facts, now: datetime, what: str, *fields: object) -> None:
        self.outputs.append((party["party"], (now.astimezone(UTC), what, *fields)))

    def _notify(self, party: Facts, now: datetime, template: str, *details: object) -> None:
        self._emit(party, now, "notification.requested", template, *details)

    def _pay(self, party: Facts, now: datetime, amount: int, route: str, reason: str) -> None:
        self._emit(party, now, "payout.requested", amount, party["currency"], route, reason)


def _id_of(message: Input) -> tuple[str, str | None, str]:
    return (message.source.topic, message.party and message.party.id, message.event_id)


# Everything that is a sum.


def _open(owed: Facts) -> int:
    return owed["principal"] - owed["paid"]


def _left(order: Facts) -> int:
    return order["amount"] - order["returned"]


def held(account: Facts) -> int:
    return sum(_left(order) for order in account["orders"].values() if order["status"] in {"held", "trial"})


def used(account: Facts) -> int:
    return sum(map(_open, account["obligations"]))


def available(account: Facts) -> int:
    return account["limit"] - held(account) - used(account)


def credit(account: Facts) -> int:
    return sum(account["credits"])


def _in_pay_order(account: Facts) -> list[Facts]:
    return sorted(filter(_open, account["obligations"]), key=lambda owed: owed["due_on"])  # stable: as they were made


def _open_returns(account: Facts, order: Facts) -> list[Facts]:
    return [
        each for each in account["returns"].values() if each["order"] is order and each["status"] == "awaiting_parcel"
    ]


def under_return(account: Facts, order: Facts) -> int:
    return sum(each["amount"] for each in _open_returns(account, order))


def _asked_for(account: Facts, owed: Facts) -> bool:
    return any(
        any(each is owed for each in debit["to_retry"])
        for debit in account["debits"]
        if debit["status"] == "requested" or debit["retry_at"] is not None
    )


def _settle_order(account: Facts, order: Facts) -> None:
    theirs = [owed for owed in account["obligations"] if owed["order"] is order]
    if order["status"] == "owed" and theirs and not any(map(_open, theirs)):
        order["status"] = "settled"
