"""Every number of a simulation's report, once more by the independent model, on random histories."""

import asyncio
import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from contracts.records import RawRecord
from settlement.draft import Rules
from settlement.messages import Input, PurchasePlaced, TermsPublished
from settlement.party import Party, PartyKind
from settlement.terms import TermsBook
from tests.property.agreement import Duel
from tests.property.histories import ALL, history_of
from tests.property.lane import RULES, Lane
from tests.property.model.terms import programme_of
from tests.property.properties import DAYS
from tests.property.standing import model_state
from workers.lanes.deciding import Decider
from workers.lanes.taken import Taken
from workers.replay.merge import RecordedBatch
from workers.replay.simulation.activity import ActivityReader, ActivityWriter
from workers.replay.simulation.deciding import (
    OTHER_FOLDER,
    RECORDED_FOLDER,
    Job,
    LaneResult,
    LaneSimulation,
    begun,
)
from workers.replay.simulation.figures import StoryFigures
from workers.replay.simulation.terms import OtherTerms

SEEDS = range(8)
RECORDED = TermsBook.builtin().document


def stricter() -> dict:
    """Other due days, scores, plans and caps: what the model knows of terms."""
    document = copy.deepcopy(RECORDED)
    for version in document["versions"]:
        for programme in version["programmes"].values():
            programme.setdefault("needs", {})["score_at_least"] = 620
            for plan in programme["plans"].values():
                if "due_day" in plan:
                    plan["due_day"] += 5
                if "days" in plan:
                    plan["days"] = plan["days"][1:]
            if "cash_out" in programme:
                programme["cash_out"]["daily_cap_minor"] = 50_000
    return document


@dataclass
class Simulated:
    """What a simulation of one lane's parties of one kind comes to, and the inputs of the other terms' story."""

    result: LaneResult
    inputs: list[Input]
    handed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """To merchants, in that story: by merchant and what."""


async def simulated(document: dict, history: list[Input]) -> dict[PartyKind, Simulated]:
    """Accounts first; merchants with what accounts hand to them, as there is no lane-log."""
    with TemporaryDirectory() as folder:
        job = Job(OtherTerms(document), RECORDED, Path(folder), database=False)
        writers = [ActivityWriter(job.folder / name, 0, 1) for name in (OTHER_FOLDER, RECORDED_FOLDER)]
        accounts = await simulated_kind(job, PartyKind.ACCOUNT, history, writers)
        for writer in writers:
            writer.close()
        readers = [ActivityReader(job.folder / name, 0, 1) for name in (OTHER_FOLDER, RECORDED_FOLDER)]
        return {
            PartyKind.ACCOUNT: accounts,
            PartyKind.MERCHANT: await simulated_kind(job, PartyKind.MERCHANT, history, (), readers),
        }


async def simulated_kind(
    job: Job,
    kind: PartyKind,
    history: list[Input],
    writers: Sequence[ActivityWriter],
    readers: Sequence[ActivityReader] = (),
) -> Simulated:
    decider, book = Decider(0, 1, event_clock=True), TermsBook.parse(job.terms.document)
    recorded = begun(decider, RULES, job.folder / f"{kind}-a")
    other = begun(decider, Rules(book, RULES.calendar), job.folder / f"{kind}-b")
    simulation = LaneSimulation(job, kind, recorded, other, {})
    told = Simulated(LaneResult(), [])
    for begin in range(0, len(history), 5):
        taken = [Taken(_record(each), each) for each in history[begin : begin + 5]]
        decided = await simulation.batch(RecordedBatch(None, history[begin].occurred_at, taken, len(taken)), *readers)
        told.inputs += [each.decoded for each in simulation.other_taken]
        for writer, batch in zip(writers, reversed(decided), strict=bool(writers)):
            writer.write(batch.activity, batch.after.batch_seq, ())
        for output in decided[1].activity:
            told.handed[output.body.merchant_id, "payable"] += output.body.payable_minor
            told.handed[output.body.merchant_id, "after_sales"] += output.body.after_sales
    told.result = simulation.result()
    return told


def _record(message: Input) -> RawRecord:
    source = message.source
    return RawRecord(source.topic, source.partition, source.offset, 0, b"", message.raw)


def by_the_model(document: dict, inputs: list[Input]) -> Duel:
    """The model, which must agree with the core on every input besides."""
    lane = Lane()
    lane.rules = Rules(TermsBook.parse(document), RULES.calendar)
    duel = Duel(DAYS, lane)
    named = {name: each for version in document["versions"] for name, each in version["programmes"].items()}
    duel.model.programmes = {name: known | programme_of(named[name]) for name, known in duel.model.programmes.items()}
    duel.model.versions = document["versions"]
    for message in inputs:
        duel.receive(message)
    return duel


def figures_of(model, kind: PartyKind) -> StoryFigures:
    """The report's numbers from the model alone."""
    figures = StoryFigures()
    for verdict in model.verdicts:
        message, (outcome, reason) = verdict["input"], verdict["verdict"]
        if message.party is None or message.party.kind is not kind:
            continue
        figures.outcomes[message.type, outcome, reason or ""] += 1
        if isinstance(message.body, PurchasePlaced) and outcome in {"applied", "declined"}:
            _add(figures, "accepted" if outcome == "applied" else "declined", message.body)
    for party, (_, what, *fields) in model.outputs:
        if party.kind is kind:
            measure, amount = _measure(party, what, fields)
            if measure:
                figures.counts[measure] += 1
                figures.amounts[measure, "CNY"] += amount
    for party, known in model.parties.items():
        if party.kind is PartyKind.MERCHANT is kind:
            figures.amounts.update(
                {("payable_at_end", currency): amount for currency, amount in known["payable"].items()}
            )
            figures.amounts["collected", "CNY"] += model_state(model, party)["ledger"]["gateway_clearing"]
        elif party.kind is kind and "opening" in known:
            _at_the_end(figures, model_state(model, party))
    return figures


def _add(figures: StoryFigures, measure: str, body: PurchasePlaced) -> None:
    figures.counts[measure] += 1
    figures.amounts[measure, body.currency] += body.amount_minor


def _measure(party: Party, what: str, fields: list) -> tuple[str, int]:
    match what, fields:
        case "auto_debit.requested", [_, amount, *_]:
            return "debits_requested", amount
        case "payout.requested", [_, amount, *_]:
            return f"payouts_to_{party.kind}s", amount
        case "limit.reclaimed", [amount, *_]:
            return "limits_reclaimed", amount
        case "limit.restored", [amount, *_]:
            return "limits_restored", amount
        case "notification.requested", ["payment_overdue", amount, *_]:
            return "fell_overdue", amount
    return "", 0


def _at_the_end(figures: StoryFigures, state: dict) -> None:
    ledger = state["ledger"]
    open_ = [sum(parts) - sum(paid) - lost for *_, parts, paid, lost in state["obligations"]]
    overdue = sum(each for each, row in zip(open_, state["obligations"], strict=True) if row[3] == "overdue")
    status = "closed" if state["closed"] else "frozen" if state["freezes"] else "active"
    figures.counts.update({"accounts": 1, f"lines_{status}": 1, "accounts_overdue_at_end": int(overdue > 0)})
    amounts = {
        "limit_at_end": state["limit"],
        "available_at_end": state["available"],
        "owed_at_end": sum(open_),
        "overdue_at_end": overdue,
        "fees": ledger.get("fee_income", 0),
        "penalties": ledger.get("penalty_income", 0),
        "collected": ledger.get("gateway_clearing", 0),
        "charged_off": ledger.get("charge_off_loss", 0),
        "recovered": ledger.get("recovery_income", 0),
    }
    figures.amounts.update({(measure, "CNY"): amount for measure, amount in amounts.items()})


@pytest.mark.parametrize("document", [RECORDED, stricter()], ids=["recorded", "stricter"])
def test_every_number_is_what_the_model_comes_to(document):
    differing = Counter()
    for seed in SEEDS:
        history = history_of(Random(seed), longest=40)
        told = asyncio.run(simulated(document, history))[PartyKind.ACCOUNT]
        model = by_the_model(document, told.inputs).model
        require_the_same(told.result.other, figures_of(model, PartyKind.ACCOUNT), seed)
        differing["parties"] += told.result.parties_apart
        differing["left out"] += told.result.left_out.total()
        differing["moved"] += told.result.moved.total()
        if is_what_was_in_force(document, history):
            assert (told.result.parties_apart, told.result.recorded) == (0, told.result.other)
    assert document is RECORDED or min(differing.values()) > 0, "other terms make all the differences there are"


@pytest.mark.parametrize("document", [RECORDED, stricter()], ids=["recorded", "stricter"])
def test_every_number_of_merchants_is_what_the_model_comes_to(document):
    """What accounts hand to them is that of the model, too."""
    differing, paid = Counter(), 0
    for seed in SEEDS:
        history = history_of(Random(seed), [ALL], longest=60)
        told = asyncio.run(simulated(document, history))
        accounts, merchants = told[PartyKind.ACCOUNT], told[PartyKind.MERCHANT]
        assert +accounts.handed == +by_the_model(document, accounts.inputs).model_activity(), seed
        model = by_the_model(document, merchants.inputs).model
        require_the_same(merchants.result.other, figures_of(model, PartyKind.MERCHANT), seed)
        paid += merchants.result.other.counts["payouts_to_merchants"]
        if is_what_was_in_force(document, history):
            assert (merchants.result.parties_apart, merchants.result.recorded) == (0, merchants.result.other)
        differing["parties"] += merchants.result.parties_apart
    assert paid > 0
    assert document is RECORDED or differing["parties"] > 0, "other terms reach merchants by what accounts hand to them"


def require_the_same(own: StoryFigures, model: StoryFigures, seed: int) -> None:
    assert +own.outcomes == +model.outcomes, seed
    amounts = {key: amount for key, amount in own.amounts.items() if amount}
    assert amounts == {key: amount for key, amount in model.amounts.items() if amount}, seed
    for name in {*model.counts, "debits_requested", "payouts_to_accounts", "payouts_to_merchants", "accounts"}:
        assert own.counts[name] == model.counts[name], (seed, name)
    for measure, currency in {(measure, currency) for _, measure, currency in own.days}:
        days = sum(n for (_, *key), n in own.days.items() if tuple(key) == (measure, currency))
        assert days == own.amounts[measure, currency], "days come to the whole"


def is_what_was_in_force(document: dict, history: list[Input]) -> bool:
    return document is RECORDED and not any(isinstance(each.body, TermsPublished) for each in history)
