"""One lane's batch: inputs and timers in order, each decided on the state the ones before it left.

Pure and deterministic: the same states, inputs, lane time and rules give the same results however a topic's records are
cut into batches (tests/property).

Source: docs/flow.md; docs/rules.md, Time and Outcomes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from settlement.calendar import UnknownYearError
from settlement.changes import BY_MESSAGE
from settlement.dead_letter import DeadLetter, DeadLetterReason, defect, of_input, of_timer
from settlement.decide import decide, expire, fire
from settlement.decision import Decision, InvariantBrokenError, Outcome
from settlement.draft import Moment, Rules
from settlement.ids import derived_id
from settlement.messages import Body, Input, ShopSettingsChanged, TermsPublished
from settlement.outputs import MerchantActivityRecorded, Output
from settlement.party import Party, PartyKind
from settlement.shop import ShopSettings, settings_of
from settlement.state import NotLoadedError, Parked, PartyState, subject_key
from settlement.terms import TermsBook, TermsError
from settlement.timers import Timer, TimerKind
from settlement.totals import LARGEST_ACTIVITY_MINOR, Totals, moved_by, overflow
from settlement.values import dataclass

PARKING_TIME = timedelta(hours=72)
"""How long an input waits for what it names. Source: docs/rules.md, Outcomes."""

REMEMBERED = frozenset({Outcome.APPLIED, Outcome.DECLINED, Outcome.DUPLICATE, Outcome.PARKED})
"""Outcomes that take an event_id. After a conflict by content the business id stays taken, so it conflicts again."""

MAX_TIME_JUMP = timedelta(days=400)
"""An occurred_at further ahead of lane time than this is a dead letter, so that a typo can't fire a year of timers."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one input (`input`) or timer (`timer`), in the order of deciding.

    `was_parked` tells inputs of earlier records from this batch's own. `detail` is what a dead letter says besides its
    reason.
    `is_repeat`: the event_id itself was known. A duplicate that is none was one by its content: its event_id must be
    remembered like those of decisions, or the same record might take effect when it is read once more.
    """

    decision: Decision
    decided_at: datetime
    input: Input | None = None
    timer: Timer | None = None
    was_parked: bool = False
    detail: str = ""
    is_repeat: bool = False

    @property
    def dead_letter(self) -> DeadLetter | None:
        """What is told of one that could not be matched or decided."""
        if self.decision.outcome is not Outcome.DEAD_LETTERED:
            return None
        reason = DeadLetterReason(self.decision.reason or "")
        if self.input is not None:
            return of_input(self.input, reason, self.detail, self.decided_at)
        if self.timer is None:
            msg = f"something settled is neither an input nor a timer: {self}"
            raise TypeError(msg)
        return of_timer(self.timer, reason, self.detail, self.decided_at)


class Batch:
    """Settles inputs one after the other on the loaded states.

    Args:
        states: every party the inputs name, and None for the lane itself.
        rules: terms and calendar in force; `rules` follows `terms.published`.
        lane_time: wall clock: the batch's time. Event clock: lane time before the batch, None on a new lane.
        event_clock: lane time is the largest occurred_at seen instead of a fixed time.
        totals: the lane's sums before the batch; the attribute follows its decisions.
        failed: in a replay, what failed by a defect then, and fails again whatever the rules say of it now: the detail
            by `DeadLetter.dead_letter_id`.
    """

    def __init__(
        self,
        states: Mapping[Party | None, PartyState],
        rules: Rules,
        lane_time: datetime | None,
        *,
        event_clock: bool,
        totals: Totals | None = None,
        failed: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        if lane_time is None and not event_clock:
            msg = "a batch under the wall clock needs a lane time"
            raise ValueError(msg)
        self.states = states
        self.rules = rules
        self.lane_time = lane_time
        self.results: list[Settled] = []
        self.totals = dict(totals or {})
        self._event_clock = event_clock
        self._failed = failed
        self._activity: dict[tuple[str, str], list[int]] = {}

    def receive(self, message: Input) -> None:
        """Decide one input: its party's due timers first, then it, then what was parked for it.

        Raises:
            NotLoadedError: something is missing from the states; load it and settle the whole batch anew.
            InvariantBrokenError: the lane must stop.
        """
        now = self._advance(message)
        if now is None:
            lane_time = self._now(message)
            detail = (
                f"occurred_at: expected at most {MAX_TIME_JUMP.days} days after lane time, {lane_time.isoformat()};"
                f" got {message.occurred_at.isoformat()}"
            )
            self.results.append(Settled(_dead(DeadLetterReason.TIME_JUMP), lane_time, input=message, detail=detail))
            return
        state = self.states[message.party]
        if message.party is None:
            self._settle_lane_input(state, message, now)
            return
        self.fire_due(message.party)
        decision = self._settle(state, message, now, BY_MESSAGE, was_parked=False)
        if decision.outcome is Outcome.PARKED:
            self._park(state, message, decision, now)
        self._wake(state, decision, now, BY_MESSAGE)

    def fire_due(self, party: Party) -> None:
        """Fire all timers of a party that are due at lane time, by due time, rank and id."""
        state, until = self.states[party], self.lane_time
        if until is None or not state.timers:
            return
        while due := [timer for timer in state.timers.values() if timer.due_at <= until]:
            self._fire(state, _first(state, due))

    def activity_outputs(self, lane: int, batch_seq: int) -> list[Output]:
        """What the batch means for merchants: one message per merchant and currency that something changed for."""
        outputs = []
        cause = f"lane-{lane}/batch-{batch_seq}"
        for (merchant_id, currency), sums in self._activity.items():
            for number, (payable_minor, after_sales) in enumerate(_messages_of(*sums)):
                outputs.append(
                    Output(
                        derived_id(f"{cause}/{merchant_id}/{currency}", number),
                        self._require_time(),
                        cause,
                        Party(PartyKind.MERCHANT, merchant_id),
                        MerchantActivityRecorded(merchant_id, currency, payable_minor, after_sales),
                    )
                )
        return outputs

    def _advance(self, message: Input) -> datetime | None:
        """Move lane time on to the message; None when it jumps too far ahead."""
        if self._event_clock:
            self.lane_time = time_after(self.lane_time, message)
            if message.occurred_at > self.lane_time:
                return None
        return self.lane_time

    def _now(self, message: Input) -> datetime:
        return self.lane_time or message.occurred_at

    def _require_time(self) -> datetime:
        if self.lane_time is None:
            msg = "activity without lane time"
            raise InvariantBrokenError(msg)
        return self.lane_time

    def _settle(
        self,
        state: PartyState,
        message: Input,
        now: datetime,
        rank: int,
        *,
        was_parked: bool,
        waits_for: str | None = None,
    ) -> Decision:
        """Decide an input and take over what it changes; a parked outcome is left to the caller.

        Args:
            state: its party's.
            message: the input.
            now: when it is decided.
            rank: the place of that among what happens at this instant.
            was_parked: it waited for something.
            waits_for: what it has waited for in vain.
        """
        detail = ""
        known = None if was_parked else state.seen.get(message.event_hash)
        try:
            moment = Moment(now, min(message.occurred_at, now), rank)
            if known is not None:
                decision = Decision(Outcome.DUPLICATE if known == message.fingerprint else Outcome.CONFLICT)
            elif self._failed and message.source.name in self._failed:
                decision, detail = _dead(DeadLetterReason.INTERNAL_ERROR), self._failed[message.source.name]
            elif waits_for is not None:
                taken = expire(state, message, moment, self.rules, self.states[None])
                decision, detail = (taken, "") if taken is not None else _unmatched(waits_for)
            else:
                decision = decide(state, message, moment, self.rules, self.states[None])
        except (NotLoadedError, InvariantBrokenError):
            raise
        except UnknownYearError as unknown:
            decision, detail = _dead(DeadLetterReason.CALENDAR_UNKNOWN), str(unknown)
        except Exception as error:  # noqa: BLE001 - whatever a rule trips over concerns one message only
            decision, detail = _dead(DeadLetterReason.INTERNAL_ERROR), defect(error)
        if decision.outcome is Outcome.PARKED and was_parked:
            return decision
        decision, detail = self._storable(decision, detail, message.body)
        if known is None and decision.outcome in REMEMBERED:
            state.seen[message.event_hash] = message.fingerprint
        elif was_parked:
            state.seen.pop(message.event_hash, None)  # neither decided nor parked any more: its event_id is free
        self._take(state, decision)
        is_repeat = known is not None
        self.results.append(
            Settled(decision, now, input=message, was_parked=was_parked, detail=detail, is_repeat=is_repeat)
        )
        return decision

    def _storable(self, decision: Decision, detail: str, body: Body | None) -> tuple[Decision, str]:
        """The decision and its detail, or a dead letter where storage can't hold a sum; moves the lane's sums on."""
        if not decision.entities and not decision.postings:
            return decision, detail
        moved = moved_by(decision, body)
        too_large = overflow(decision, moved, self.totals)
        if too_large is not None:
            return _dead(DeadLetterReason.AMOUNT_OVERFLOW), too_large
        for key, minor in moved.items():
            self.totals[key] = self.totals.get(key, 0) + minor
        return decision, detail

    def _take(self, state: PartyState, decision: Decision) -> None:
        state.apply(decision)
        for share in decision.activity:
            sums = self._activity.setdefault((share.merchant_id, share.currency), [0, 0])
            sums[0] += share.payable_minor
            sums[1] += share.after_sales

    def _settle_lane_input(self, state: PartyState, message: Input, now: datetime) -> None:
        """Messages that concern the lane, not a party."""
        known = state.seen.get(message.event_hash)
        detail = ""
        if known is not None:
            decision = Decision(Outcome.DUPLICATE if known == message.fingerprint else Outcome.CONFLICT)
        else:
            try:
                decision = self._of_lane(state, message.body, min(message.occurred_at, now))
                state.apply(decision)
                state.seen[message.event_hash] = message.fingerprint
            except TermsError as wrong:
                decision, detail = _dead(DeadLetterReason.TERMS_INVALID), str(wrong)
        self.results.append(Settled(decision, now, input=message, detail=detail, is_repeat=known is not None))

    def _of_lane(self, state: PartyState, body: Body, occurred_at: datetime) -> Decision:
        """What a message means for the lane.

        Raises:
            TermsError: it publishes terms that can't be used.
        """
        match body:
            case TermsPublished():
                published = TermsBook.parse(body.terms)
                self.rules = replace(self.rules, terms=self.rules.terms.succeeded_by(published))
            case ShopSettingsChanged():
                state.find(ShopSettings, body.merchant_id)  # to write, it must be known whether there are any
                return Decision(Outcome.APPLIED, entities=(settings_of(body, occurred_at),))
        return Decision(Outcome.APPLIED)

    def _fire(self, state: PartyState, timer: Timer) -> None:
        key = (timer.kind, timer.subject_id)
        del state.timers[key]
        state.timer_changes[key] = None
        if timer.kind is TimerKind.PARKING_EXPIRY:
            self._expire(state, timer)
            return
        detail = ""
        try:
            if self._failed and timer.timer_id in self._failed:
                decision, detail = _dead(DeadLetterReason.INTERNAL_ERROR), self._failed[timer.timer_id]
            else:
                decision = fire(state, timer, self.rules, self.states[None])
        except (NotLoadedError, InvariantBrokenError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a rule trips over concerns one message only
            decision, detail = _dead(DeadLetterReason.INTERNAL_ERROR), defect(error)
        decision, detail = self._storable(decision, detail, None)
        self._take(state, decision)
        self.results.append(Settled(decision, timer.due_at, timer=timer, detail=detail))
        self._wake(state, decision, timer.due_at, timer.kind.rank)

    def _park(self, state: PartyState, message: Input, decision: Decision, now: datetime) -> None:
        parked = Parked(message, decision.waits_for or "", now)
        state.parked.append(parked)
        state.newly_parked[message.event_hash] = parked
        timer = Timer(
            self._party_of(state), TimerKind.PARKING_EXPIRY, message.event_hash.hex(), parked.parked_at + PARKING_TIME
        )
        state.timers[timer.kind, timer.subject_id] = timer
        state.timer_changes[timer.kind, timer.subject_id] = timer

    def _unpark(self, state: PartyState, parked: Parked) -> None:
        state.parked.remove(parked)
        state.newly_parked.pop(parked.input.event_hash, None)
        state.unparked.add(parked.input.event_hash)
        key = (TimerKind.PARKING_EXPIRY, parked.input.event_hash.hex())
        state.timers.pop(key, None)
        state.timer_changes[key] = None

    def _expire(self, state: PartyState, timer: Timer) -> None:
        """The time of a parked input is up."""
        for parked in list(state.parked):
            if parked.input.event_hash.hex() == timer.subject_id:
                self._unpark(state, parked)
                rank = timer.kind.rank
                decision = self._settle(
                    state, parked.input, timer.due_at, rank, was_parked=True, waits_for=parked.waits_for
                )
                self._wake(state, decision, timer.due_at, rank)
                return

    def _wake(self, state: PartyState, decision: Decision, now: datetime, rank: int) -> None:
        """Decide what was parked for something the decision changed, in arrival order, and what that wakes in turn.

        It is decided at the decision's own place among what happens at its instant.
        """
        if not state.parked:
            return
        changed = _subjects_of(decision)
        tried: set[bytes] = set()
        while waiting := next(
            (each for each in state.parked if each.waits_for in changed and each.input.event_hash not in tried), None
        ):
            tried.add(waiting.input.event_hash)
            outcome = self._settle(state, waiting.input, now, rank, was_parked=True)
            if outcome.outcome is Outcome.PARKED:
                again = replace(waiting, waits_for=outcome.waits_for or "")
                state.parked[state.parked.index(waiting)] = again
                state.newly_parked[again.input.event_hash] = again
                continue
            self._unpark(state, waiting)
            more = _subjects_of(outcome)
            if more:
                changed |= more
                tried.clear()  # what changed now may be what an earlier one waits for

    @staticmethod
    def _party_of(state: PartyState) -> Party:
        if state.party is None:
            msg = "the lane itself parks nothing"
            raise InvariantBrokenError(msg)
        return state.party


def _first(state: PartyState, due: Sequence[Timer]) -> Timer:
    """The timer that fires next; of waits that are over at one instant, that of the input that came first."""
    first = min(due, key=lambda each: each.order)
    if first.kind is not TimerKind.PARKING_EXPIRY:
        return first
    over = {each.subject_id: each for each in due if each.kind is first.kind and each.due_at == first.due_at}
    return next((over[each] for each in _event_hashes(state) if each in over), first)


def _event_hashes(state: PartyState) -> Iterator[str]:
    """Of what is parked, in arrival order, as timers name it."""
    return (parked.input.event_hash.hex() for parked in state.parked)


def time_after(lane_time: datetime | None, message: Input) -> datetime:
    """Lane time after a message under the event clock: the largest `occurred_at` so far.

    One that jumps too far ahead moves nothing, so only such a one is later than what this returns.
    """
    if lane_time is None or lane_time < message.occurred_at <= lane_time + MAX_TIME_JUMP:
        return message.occurred_at
    return lane_time


def _messages_of(payable_minor: int, after_sales: int) -> Iterator[tuple[int, int]]:
    """What is handed to a merchant, in as many messages as it takes."""
    while payable_minor or after_sales:
        part_minor = max(-LARGEST_ACTIVITY_MINOR, min(payable_minor, LARGEST_ACTIVITY_MINOR))
        yield part_minor, after_sales
        payable_minor, after_sales = payable_minor - part_minor, 0


def _unmatched(waits_for: str) -> tuple[Decision, str]:
    """The decision on an input that has waited in vain, and its detail."""
    hours = PARKING_TIME // timedelta(hours=1)
    detail = f"{waits_for} did not become known within {hours} hours"
    return replace(_dead(DeadLetterReason.UNMATCHED), waits_for=waits_for), detail


def _dead(reason: DeadLetterReason) -> Decision:
    return Decision(Outcome.DEAD_LETTERED, reason=reason)


def _subjects_of(decision: Decision) -> set[str]:
    """Subject keys of all that a decision made, changed or declined."""
    subjects = {subject_key(type(entity), entity.entity_id) for entity in decision.entities}
    subjects.update(decision.wakes)
    if decision.declined_subject is not None:
        subjects.add(decision.declined_subject)
    return subjects
