"""A lane settled straight on the database, without Kafka: real rules, loading and writing, and traffic to settle."""

import hashlib
import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from settlement.batch import Batch, Settled
from settlement.dead_letter import DeadLetter, DeadLetterReason
from settlement.draft import Rules
from settlement.entities import CaseKind, Obligation, PlanKind
from settlement.messages import (
    Body,
    CaseClosed,
    CaseOpened,
    CreditLineOpened,
    DepositPaid,
    DepositRefundRequested,
    DepositRefundReviewed,
    DepositRefundWithdrawn,
    Input,
    MerchantActivity,
    MerchantRegistered,
    ParcelInspected,
    PayoutFailed,
    PayoutSucceeded,
    PurchasePlaced,
    PurchaseReceived,
    RepaymentReceived,
    RepaymentReversed,
    ReturnRequested,
    ShopWithdrawalRequested,
    Source,
)
from settlement.outputs import AutoDebitRequested
from settlement.party import Party, PartyKind
from settlement.state import NotLoadedError, PartyState
from settlement.subjects import references
from storage import lanes, load
from storage.audit import audit
from storage.lanes import LaneClaim, Position
from storage.load import ReadSet
from storage.parked import ParkedRow
from storage.rows import TABLES
from storage.write import BatchToWrite, write
from tests.unit.settlement.builders import FAILURES, RULES, TOPICS, deferred, fingerprint_of, placed, repaid, returned

START = datetime(2026, 1, 1, tzinfo=UTC)

TYPES = {
    CreditLineOpened: "credit_line.opened",
    PurchasePlaced: "purchase.placed",
    PurchaseReceived: "purchase.received",
    RepaymentReceived: "repayment.received",
    RepaymentReversed: "repayment.reversed",
    ReturnRequested: "return.requested",
    ParcelInspected: "return.parcel_inspected",
    MerchantRegistered: "merchant.registered",
    MerchantActivity: "merchant_activity.recorded",
    DepositPaid: "deposit.paid",
    DepositRefundRequested: "deposit_refund.requested",
    DepositRefundReviewed: "deposit_refund.reviewed",
    DepositRefundWithdrawn: "deposit_refund.withdrawn",
    PayoutSucceeded: "payout.succeeded",
    PayoutFailed: "payout.failed",
    ShopWithdrawalRequested: "shop_balance.withdrawal_requested",
}


def account(account_id: str) -> Party:
    return Party(PartyKind.ACCOUNT, account_id)


BUYER = account("buyer")


def merchant(merchant_id: str) -> Party:
    return Party(PartyKind.MERCHANT, merchant_id)


@dataclass
class Timings:
    """Seconds spent in each step, over all batches."""

    load: float = 0.0
    decide: float = 0.0
    write: float = 0.0
    commit: float = 0.0

    @property
    def database(self) -> float:
        return self.load + self.write + self.commit


@dataclass
class StoredLane:
    """One lane of the test's database under the event clock; `restored` answers for parked inputs."""

    connection: object
    number: int = 0
    rules: Rules = RULES
    claim: LaneClaim | None = None
    inputs: dict[bytes, Input] = field(default_factory=dict)
    offsets: Counter = field(default_factory=Counter)
    timings: Timings = field(default_factory=Timings)
    loads: int = 0
    states: dict[Party | None, PartyState] = field(default_factory=dict)
    rejected: list[DeadLetter] = field(default_factory=list)

    def message(
        self, body: Body, party: Party | None, event_id: str, when: datetime = START, content: str = ""
    ) -> Input:
        """An input as contracts would make it, on its topic's next offset."""
        topic = "clock" if party is None else TOPICS.get(type(body), "credit-line")
        key = "" if party is None else party.id
        offset = self.offsets[topic]
        self.offsets[topic] += 1
        made = Input(
            source=Source(topic, self.number, offset),
            party=party,
            event_id=event_id,
            type=TYPES.get(type(body), type(body).__name__),
            occurred_at=when,
            event_hash=hashlib.blake2b(f"{topic}\0{key}\0{event_id}".encode(), digest_size=16).digest(),
            fingerprint=fingerprint_of(body) if not content else hashlib.blake2b(content.encode()).digest()[:16],
            body=body,
            raw=f'{{"event_id":"{event_id}","account_id":"{key}","body":"{repr(body)[:160]}"}}'.encode(),
        )
        self.inputs[made.event_hash] = made
        return made

    async def send(self, party: Party, *bodies: Body) -> None:
        """Settle one body a day, from START on."""
        for number, body in enumerate(bodies):
            await self.settle([self.message(body, party, f"event-{number}", START + timedelta(days=number))])

    def reject(self, topic: str, raw: bytes | None, **given: object) -> DeadLetter:
        """A record that can't be understood, on its topic's next offset; settled with the next batch."""
        source = Source(topic, self.number, self.offsets[topic])
        self.offsets[topic] += 1
        record = DeadLetter(source, None, DeadLetterReason.NOT_JSON, "expected JSON", START, b"key", raw, **given)
        self.rejected.append(record)
        return record

    def restore(self, row: ParkedRow) -> Input:
        return replace(self.inputs[row.event_hash], source=row.source, raw=row.raw)

    def restore_any(self, row: ParkedRow) -> Input:
        """An input for a parked row that this lane has not sent."""
        made = self.message(PurchaseReceived("order"), row.party, row.event_id)
        return replace(made, event_hash=row.event_hash, source=row.source)

    def wanted(self, inputs: Iterable[Input], due: Iterable[Party] = (), until: datetime | None = None) -> ReadSet:
        wanted = ReadSet(parties=set(due), timers_until=until)
        for each in inputs:
            wanted.event_hashes.setdefault(each.party, set()).add(each.event_hash)
            wanted.name(each.party, references(each))
            if each.party is not None:
                wanted.parties.add(each.party)
        return wanted

    async def settle(self, inputs: Sequence[Input] = (), *, until: datetime | None = None) -> list[Settled]:
        """Settle inputs in one transaction, then the timers that are due by lane time or `until`."""
        if self.claim is None:
            self.claim = await lanes.claim(self.connection, self.number, "test")
        began = time.perf_counter()
        async with self.connection.transaction():
            lock = await lanes.lock(self.connection, self.number, self.claim.epoch, wait=False)
            times = [lock.lane_time, until, *(each.occurred_at for each in inputs)]
            lane_time = max((each for each in times if each is not None), default=START)
            due = await load.due_parties(self.connection, self.number, lane_time, 1000)
            wanted = self.wanted(inputs, due, lane_time)
            while True:
                self.loads += 1
                loaded = await load.load(self.connection, self.number, wanted, self.restore, references)
                decided_from = time.perf_counter()
                now = max(lock.lane_time or START, until or START)
                batch = Batch(loaded.states, self.rules, now, event_clock=True, totals=self.claim.totals)
                try:
                    for each in inputs:
                        batch.receive(each)
                    for party in due:
                        batch.fire_due(party)
                    break
                except NotLoadedError as missing:
                    wanted.entities.setdefault(missing.party, set()).add((missing.kind, missing.entity_id))
            decided = time.perf_counter()
            await write(self.connection, self.batch(batch, loaded.states, lock, inputs))
            written = time.perf_counter()
        self.timings.load += decided_from - began
        self.timings.decide += decided - decided_from
        self.timings.write += written - decided
        self.timings.commit += time.perf_counter() - written
        self.states |= loaded.states
        self.claim = replace(self.claim, totals=batch.totals)
        self.rejected = []
        for each in batch.results:
            assert each.decision.reason not in FAILURES, each.detail
        return batch.results

    def batch(self, batch: Batch, states, lock, inputs: Sequence[Input]) -> BatchToWrite:
        sources = [*(each.source for each in inputs), *(each.source for each in self.rejected)]
        settled_to: dict[str, int] = {}
        for source in sources:
            settled_to[source.topic] = max(settled_to.get(source.topic, 0), source.offset + 1)
        return BatchToWrite(
            lane=self.number,
            batch_seq=lock.batch_seq + 1,
            lane_time=batch.lane_time,
            first_seq=lock.next_seq,
            results=batch.results,
            rejected=self.rejected,
            states=states,
            positions={topic: Position(offset, b"last") for topic, offset in settled_to.items()},
            counts=Counter(source.topic for source in sources),
            activity=batch.activity_outputs(self.number, lock.batch_seq + 1),
            outbox_parts=[b"outputs" * 60 * max(len(batch.results), 1)],
            previous_hash=lock.chain_hash,
        )

    def nothing(self, lock) -> BatchToWrite:
        """A batch in which nothing came."""
        batch = Batch({None: PartyState(None, whole=True)}, self.rules, lock.lane_time or START, event_clock=True)
        return self.batch(batch, batch.states, lock, [])

    async def read(self, wanted: ReadSet) -> dict[Party | None, PartyState]:
        """Load states as the next batch would find them."""
        return (await load.load(self.connection, self.number, wanted, self.restore, references)).states


async def write_states(lane: StoredLane, states: Mapping[Party | None, PartyState]) -> None:
    """Write states as a batch in which nothing came would."""
    connection = lane.connection
    if lane.claim is None:
        lane.claim = await lanes.claim(connection, lane.number, "test")
    async with connection.transaction():
        lock = await lanes.lock(connection, lane.number, lane.claim.epoch)
        await write(connection, replace(lane.nothing(lock), states=states))


STEPS = {
    "_place": 33,
    "_receive": 22,
    "_repay": 17,
    "_return": 4,
    "_inspect": 3,
    "_repeat": 6,
    "_too_early": 2,
    "_activity": 10,
    "_case": 2,
    "_deposit": 1,
}
"""How often each step is taken, in parts of their sum."""


@dataclass
class Traffic:
    """Mixed messages of a lane's buyers and shops, from a seed: mostly good ones, some repeated, some too early."""

    lane: StoredLane
    seed: int = 1
    accounts: int = 200
    merchants: int = 20
    now: datetime = START

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.number = 0
        self.placed: list[tuple[Party, str, int]] = []
        self.received: list[tuple[Party, str, int]] = []
        self.returns: list[tuple[Party, str]] = []
        self.debits: list[tuple[Party, AutoDebitRequested]] = []
        self.open_cases: list[tuple[Party, str]] = []
        self.sent: list[Input] = []

    def opening(self) -> list[Input]:
        """Every account's line and every merchant's registration."""
        opened = [
            self._send(
                CreditLineOpened(
                    "kuaishou" if number % 2 else "tmall",
                    2_000_000,
                    "CNY",
                    score=700,
                    card_linked=True,
                    identity_verified=True,
                ),
                self._account(number),
            )
            for number in range(self.accounts)
        ]
        registered = [
            self._send(MerchantRegistered("CNY", 7), self._merchant(number)) for number in range(self.merchants)
        ]
        return opened + registered

    def mixed(self, count: int) -> list[Input]:
        """The next messages."""
        return [self._next() for _ in range(count)]

    def take_over(self, results: Iterable[Settled]) -> None:
        """Let the platform answer what was asked for."""
        for settled in results:
            for output in settled.decision.outputs:
                if isinstance(output.body, AutoDebitRequested):
                    self.debits.append((output.party, output.body))

    def _account(self, number: int) -> Party:
        return account(f"buyer-{number:06}")

    def _merchant(self, number: int) -> Party:
        return merchant(f"shop-{number:04}")

    def _any_account(self) -> Party:
        return self._account(self.random.randrange(self.accounts))

    def _any_merchant(self) -> Party:
        return self._merchant(self.random.randrange(self.merchants))

    def _send(self, body: Body, party: Party) -> Input:
        self.number += 1
        self.now += timedelta(seconds=7)
        sent = self.lane.message(body, party, f"event-{self.seed}-{self.number:08}", self.now)
        if self.random.random() < 0.1:
            self.sent.append(sent)
        return sent

    def _next(self) -> Input:
        (step,) = self.random.choices(list(STEPS), list(STEPS.values()))
        return getattr(self, step)() or self._place()

    def _place(self) -> Input:
        number = self.random.randrange(self.accounts)
        party, order_id = self._account(number), f"order-{self.seed}-{self.number:08}"
        amount_minor = self.random.randrange(100, 20_000)
        shop = self._any_merchant().id
        if number % 2:
            body = replace(deferred(order_id, amount_minor), merchant_id=shop)
        else:
            body = placed(order_id, amount_minor, kind=PlanKind.TRIAL, days=7, merchant_id=shop)
        self.placed.append((party, order_id, amount_minor))
        return self._send(body, party)

    def _receive(self) -> Input | None:
        order = self._pick(self.placed)
        if order is None:
            return None
        self.received.append(order)
        return self._send(PurchaseReceived(order[1]), order[0])

    def _repay(self) -> Input | None:
        if self.debits and self.random.random() < 0.7:
            party, debit = self.debits.pop()
            repayment = repaid(debit.amount_minor, f"repayment-{self.seed}-{self.number}", debit_id=debit.debit_id)
            return self._send(repayment, party)
        if not self.received:
            return None
        party, _, amount_minor = self.random.choice(self.received)
        return self._send(repaid(max(amount_minor // 2, 1), f"repayment-{self.seed}-{self.number}"), party)

    def _return(self) -> Input | None:
        order = self._pick(self.received)
        if order is None:
            return None
        return_id = f"return-{self.seed}-{self.number}"
        self.returns.append((order[0], return_id))
        return self._send(returned(order[2], return_id, order_id=order[1]), order[0])

    def _inspect(self) -> Input | None:
        found = self._pick(self.returns)
        if found is None:
            return None
        condition = "intact" if self.random.random() < 0.7 else "damaged"
        photos = () if condition == "intact" else ("https://photo/1",)
        return self._send(ParcelInspected(found[1], condition, (), photos, "courier"), found[0])

    def _repeat(self) -> Input | None:
        if not self.sent:
            return None
        sent = self.random.choice(self.sent)
        offset = self.lane.offsets[sent.source.topic]
        self.lane.offsets[sent.source.topic] += 1
        again = replace(sent, source=replace(sent.source, offset=offset))
        return replace(again, fingerprint=b"another content!") if self.random.random() < 0.2 else again

    def _too_early(self) -> Input:
        return self._send(PurchaseReceived(f"unknown-{self.number}"), self._any_account())

    def _activity(self) -> Input:
        return self._send(MerchantActivity("CNY", self.random.randrange(1, 9_000), 0), self._any_merchant())

    def _case(self) -> Input:
        if self.open_cases and self.random.random() < 0.5:
            party, case_id = self._pick(self.open_cases)
            return self._send(CaseClosed(CaseKind.PROMOTION, case_id), party)
        party, case_id = self._any_merchant(), f"promotion-{self.number}"
        self.open_cases.append((party, case_id))
        return self._send(CaseOpened(CaseKind.PROMOTION, case_id), party)

    def _deposit(self) -> Input:
        return self._send(DepositPaid(f"deposit-{self.number}", 50_000, "CNY", "alipay"), self._any_merchant())

    def _pick(self, choices: list):
        return choices.pop(self.random.randrange(len(choices))) if choices else None


async def whole(lane: StoredLane, party) -> PartyState:
    """Everything stored of a party, asked for by the ids of what is there."""
    named = set()
    for kind, table in TABLES.items():
        if table.kind.party_kind is party.kind:
            rows = await lane.connection.fetch(
                f"SELECT * FROM {table.name} WHERE lane = $1 AND {table.party_column} = $2", lane.number, party.id
            )
            named |= {(kind, entity.entity_id) for entity in table.entities(rows)}
    wanted = ReadSet(
        parties={party}, entities={party: named | {(Obligation, "*")}}, timers_until=datetime(2199, 1, 1, tzinfo=UTC)
    )
    return (await lane.read(wanted))[party]


async def failed(connection) -> dict[str, str]:
    """The checks of the audit that do not hold, and what each says."""
    return {check.name: check.detail for check in await audit(connection) if not check.ok}
