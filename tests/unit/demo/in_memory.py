"""The demo's quarter without Kafka and Postgres: the same senders and answers, the core, one lane in memory."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from contracts.decode import decode
from contracts.encode import encode
from contracts.records import OutgoingMessage, RawRecord, Rejected
from contracts.topics import Topic
from demo.answers import Answers
from demo.history import History, tick
from demo.record import Record
from settlement.batch import Batch, Settled
from settlement.draft import Rules
from settlement.messages import Input
from settlement.outputs import Output
from settlement.party import Party
from settlement.state import PartyState
from settlement.terms import TermsBook
from tests.unit.settlement.builders import FAILURES
from workers.lanes.working_days import working_days


@dataclass
class Told:
    """What became of a quarter."""

    sent: Counter[str] = field(default_factory=Counter)
    """Records by type; `garbage` where there is none."""
    decided: Counter[tuple[str, str, str | None]] = field(default_factory=Counter)
    """By type, outcome and reason."""
    outputs: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    """By type, and template or reason."""
    movements: set[tuple[str, str]] = field(default_factory=set)
    """Ledger accounts that were debited and credited by one posting."""
    errors: list[str] = field(default_factory=list)
    """Tracebacks of the core."""
    parties: dict[Party | None, PartyState] = field(default_factory=lambda: {None: PartyState(None, whole=True)})


class Platform:
    """One lane, all in memory."""

    def __init__(self) -> None:
        self.told = Told()
        self._time: datetime | None = None
        self._rules = Rules(TermsBook.builtin(), working_days())
        self._records = 0
        self._batches = 0

    def settle(self, records: Iterable[Record]) -> list[OutgoingMessage]:
        """Decide records and all that is due by then; returns what is sent."""
        states = self.told.parties
        batch = Batch(states, self._rules, self._time, event_clock=True)
        for message in filter(None, map(self._decoded, records)):
            states.setdefault(message.party, PartyState(message.party, whole=True))
            batch.receive(message)
        for party in filter(None, list(states)):
            batch.fire_due(party)
        self._time, self._rules = batch.lane_time, batch.rules
        self._batches += 1
        sent = [self._sent(output) for result in batch.results for output in self._outputs(result)]
        activity = [encode(each) for each in batch.activity_outputs(0, self._batches)]
        return sent + (self._hand_over(activity) if activity else [])

    def _hand_over(self, activity: Iterable[OutgoingMessage]) -> list[OutgoingMessage]:
        """Let merchants take over at once what account lanes hand to them; who sends it is postpay itself."""
        records = [Record(Topic.MERCHANT_ACTIVITY, each.key, each.value, self._time, self._time) for each in activity]
        sent = self.settle(records)
        self.told.sent.pop("merchant_activity.recorded")
        return sent

    def _decoded(self, record: Record) -> Input | None:
        self._records += 1
        decoded = decode(RawRecord(record.topic.value, 0, self._records, 0, record.key, record.value))
        if isinstance(decoded, Rejected):
            self.told.sent["garbage"] += 1
            self.told.decided["garbage", "dead_lettered", decoded.reason.value] += 1
            return None
        self.told.sent[decoded.type] += 1
        return decoded

    def _outputs(self, result: Settled) -> Iterable[Output]:
        if result.decision.reason in FAILURES:
            self.told.errors.append(f"{result.input or result.timer}\n{result.detail}")
        decision = result.decision
        if result.input is not None:
            self.told.decided[result.input.type, decision.outcome.value, decision.reason] += 1
        self.told.movements |= {(posting.debit.value, posting.credit.value) for posting in decision.postings}
        return decision.outputs

    def _sent(self, output: Output) -> OutgoingMessage:
        message = encode(output)
        detail = getattr(output.body, "template", None) or getattr(output.body, "reason", None)
        self.told.outputs[dict(message.headers)["ce_type"].decode(), detail] += 1
        return message


def quarter_in_memory(*, accounts: int, merchants: int, days: int, seed: int) -> Told:
    """Let a quarter pass."""
    history = History(accounts=accounts, merchants=merchants, days=days, seed=seed)
    answers = Answers(seed)
    platform = Platform()
    platform.settle([tick(history.quarter.start)])
    for day in range(days):
        midnight = history.midnight_after(day)
        records = sorted([*history.day(day), *answers.due(midnight)], key=lambda each: each.delivered_at)
        for message in platform.settle([*records, tick(midnight)]):
            answers.hear(message.topic, message.value)
    return platform.told
