"""Recorded answers in the other story: what banks and payees said of debits and payouts that may not be asked there.

The rule, with its reasons: docs/decisions/0021-recorded-answers-follow-what-was-asked.md.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from settlement.decision import Outcome
from settlement.entities import AccountPayout, Debit, MerchantPayout, Repayment
from settlement.entity import Entity
from settlement.messages import (
    Input,
    PayoutFailed,
    PayoutSucceeded,
    RepaymentFailed,
    RepaymentReceived,
    RepaymentReinstated,
    RepaymentReversed,
)
from settlement.party import Party, PartyKind
from settlement.statuses import DebitStatus, PayoutStatus
from settlement.values import revised
from workers.lanes.deciding import Decided
from workers.lanes.taken import Taken
from workers.replay.tables import LaneTables

Asked = Debit | AccountPayout | MerchantPayout


@dataclass(frozen=True, slots=True)
class Answer:
    """What an input answers: the class and id of what it names."""

    kind: type[Entity]
    id: str


def answer_of(message: Input) -> Answer | None:
    """What an input answers; None: it is no answer to anything that postpay asks for."""
    match message.body:
        case RepaymentReceived(debit_id=str(debit_id)) | RepaymentFailed(debit_id=debit_id):
            return Answer(Debit, debit_id)
        case PayoutSucceeded(payout_id=payout_id) | PayoutFailed(payout_id=payout_id):
            of_account = message.party is not None and message.party.kind is PartyKind.ACCOUNT
            return Answer(AccountPayout if of_account else MerchantPayout, payout_id)
        case RepaymentReversed(repayment_id=repayment_id) | RepaymentReinstated(repayment_id=repayment_id):
            return Answer(Repayment, repayment_id)
    return None


class RecordedAnswers:
    """The answers of a lane.

    Args:
        recorded: the tables of the story under the recorded terms.
        other: of the other one. Both are looked at, never changed.
    """

    def __init__(self, recorded: LaneTables, other: LaneTables) -> None:
        self.moved: Counter[str] = Counter()
        """By type, answers that were given to something that only the other story asked for."""
        self.adjusted = 0
        """Successful debits whose amount follows what the other story asked for."""
        self._recorded = recorded
        self._other = other
        self._held: dict[Party, list[Taken]] = defaultdict(list)
        self._touched: set[Party] = set()

    def withheld(self) -> Iterator[Input]:
        """Answers that nothing was found for: what they name never came to be."""
        for held in self._held.values():
            for each in held:
                yield cast("Input", each.decoded)

    def due(self) -> list[Taken]:
        """Held answers for which the other story has asked something meanwhile, to come first in the next batch."""
        found = []
        for party in sorted(self._touched):
            held, rest, given = self._held[party], list[Taken](), set[str]()
            for each in held:
                fitted = self._fitted(party, each, given)
                if fitted is None:
                    rest.append(each)
                else:
                    found.append(fitted)
            self._held[party] = rest
            if not rest:
                del self._held[party]
        self._touched.clear()
        return found

    def called_off(self, taken: Iterable[Taken]) -> set[str]:
        """Sources of answers to what the other story has called off, and the recorded one had not.

        To be asked before the recorded story takes over the batch: nobody debits a card for what was cancelled.
        """
        found = set()
        for each in taken:
            answer = answer_of(each.decoded) if isinstance(each.decoded, Input) else None
            if answer is None or answer.kind is not Debit or each.decoded.party is None:  # type: ignore[union-attr]
                continue
            party = cast("Party", each.decoded.party)  # type: ignore[union-attr]
            here, there = self._entity(self._other, party, answer), self._entity(self._recorded, party, answer)
            cancelled = isinstance(here, Debit) and here.status is DebitStatus.CANCELLED
            if cancelled and isinstance(there, Debit) and there.status is not DebitStatus.CANCELLED:
                found.add(each.decoded.source.name)
        return found

    def corrected(
        self, taken: Sequence[Taken], decided: Decided, waited: set[str], called_off: set[str]
    ) -> list[Taken] | None:
        """The records of a batch without the answers that have nothing to answer, and with amounts as asked for.

        Args:
            taken: the records.
            decided: what the other story made of them.
            waited: sources of inputs that waited for something in the recorded story too.
            called_off: as `called_off` gave it.

        Returns:
            None: there is nothing to correct.
        """
        parked = {
            each.input.source.name
            for each in decided.results
            if each.input is not None and each.decision.outcome is Outcome.PARKED
        }
        corrected, is_changed = [], False
        for each in taken:
            message = each.decoded
            answer = answer_of(message) if isinstance(message, Input) else None
            if answer is None or not isinstance(message, Input) or message.party is None:
                corrected.append(each)
                continue
            name = message.source.name
            if name in called_off or (name in parked and name not in waited):
                self._hold(message.party, each)
                is_changed = True
                continue
            fitted = self._as_asked(each, message, answer, decided)
            is_changed |= fitted is not each
            corrected.append(fitted)
        return corrected if is_changed else None

    def see(self, decided: Decided) -> None:
        """Look, before the next batch, at those for whom something may have been asked in this one."""
        if self._held:
            self._touched |= self._held.keys() & decided.states.keys()

    def _hold(self, party: Party, taken: Taken) -> None:
        self._held[party].append(taken)
        self._touched.add(party)

    def _as_asked(self, taken: Taken, message: Input, answer: Answer, decided: Decided) -> Taken:
        """A debit that succeeded for all it asked for does so for what the other story asked for."""
        body, party = message.body, message.party
        if not isinstance(body, RepaymentReceived) or party is None:
            return taken
        there = self._entity(self._recorded, party, answer)
        state = decided.states.get(party)
        here = None if state is None else state.entities.get(Debit, {}).get(answer.id)
        here = here or self._entity(self._other, party, answer)
        if not isinstance(here, Debit) or not isinstance(there, Debit):
            return taken
        if body.amount_minor != there.amount_minor or body.amount_minor == here.amount_minor:
            return taken
        self.adjusted += 1
        return Taken(taken.record, revised(message, body=revised(body, amount_minor=here.amount_minor)))

    def _fitted(self, party: Party, taken: Taken, given: set[str]) -> Taken | None:
        """A held answer as one to what only the other story asks for; None: it asks for nothing."""
        message = cast("Input", taken.decoded)
        answer = cast("Answer", answer_of(message))
        if answer.kind is Repayment:
            return taken if self._entity(self._other, party, answer) is not None else None
        asked = next((each for each in self._asked(party, answer.kind) if each.entity_id not in given), None)
        if asked is None:
            return None
        given.add(asked.entity_id)
        self.moved[message.type] += 1
        body = message.body
        if isinstance(body, RepaymentReceived):
            there = self._entity(self._recorded, party, answer)
            in_full = isinstance(there, Debit) and there.amount_minor == body.amount_minor
            amount_minor = asked.amount_minor if in_full else body.amount_minor
            body = revised(body, debit_id=asked.entity_id, amount_minor=amount_minor)
        elif isinstance(body, RepaymentFailed):
            body = revised(body, debit_id=asked.entity_id)
        else:
            body = revised(body, payout_id=asked.entity_id)
        at = asked.requested_at or message.occurred_at
        return Taken(taken.record, revised(message, body=body, occurred_at=max(at, message.occurred_at)))

    def _asked(self, party: Party, kind: type[Entity]) -> list[Asked]:
        """What only the other story has asked for and not been answered, the oldest first."""
        known = self._recorded.party(party).entities.get(kind, {})
        here = cast("dict[str, Asked]", self._other.party(party).entities.get(kind, {}))
        requested = (DebitStatus.REQUESTED, PayoutStatus.REQUESTED)
        found = [each for id_, each in here.items() if id_ not in known and each.status in requested]
        return sorted(found, key=lambda each: each.no)

    @staticmethod
    def _entity(tables: LaneTables, party: Party, answer: Answer) -> Entity | None:
        return tables.party(party).entities.get(answer.kind, {}).get(answer.id)
