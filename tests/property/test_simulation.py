"""Every number of a simulation's report, once more by the independent model, on random histories."""

import asyncio
import copy
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from contracts.records import RawRecord
from settlement.draft import Rules
from settlement.messages import Input, PurchasePlaced
from settlement.party import PartyKind
from settlement.terms import TermsBook
from tests.property.agreement import Duel
from tests.property.histories import history_of
from tests.property.lane import RULES, Lane
from tests.property.model.terms import programme_of
from tests.property.properties import DAYS
from tests.property.standing import model_state
from workers.lanes.deciding import Decider
from workers.lanes.taken import Taken
from workers.replay.merge import RecordedBatch
from workers.replay.simulation.deciding import Job, LaneResult, LaneSimulation, begun
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


async def simulated(document: dict, history: list[Input]) -> tuple[LaneResult, list[Input]]:
    """What a simulation of one lane comes to, and the inputs of the simulated story."""
    decider, book = Decider(0, 1, event_clock=True), TermsBook.parse(document)
    inputs: list[Input] = []
    with TemporaryDirectory() as folder:
        job = Job(OtherTerms(document), RECORDED, Path(folder), database=False)
        stories = (
            begun(decider, RULES, Path(folder) / "a"),
            begun(decider, Rules(book, RULES.calendar), Path(folder) / "b"),
        )
        simulation = LaneSimulation(job, PartyKind.ACCOUNT, *stories, {})
        for begin in range(0, len(history), 5):
            taken = [Taken(_record(each), each) for each in history[begin : begin + 5]]
            await simulation.batch(RecordedBatch(None, history[begin].occurred_at, taken, len(taken)))
            inputs += [each.decoded for each in simulation.other_taken]
        return simulation.result(), inputs


def _record(message: Input) -> RawRecord:
    source = message.source
    return RawRecord(source.topic, source.partition, source.offset, 0, b"", message.raw)


def by_the_model(document: dict, inputs: list[Input]) -> StoryFigures:
    """The same numbers from the model alone, which must agree with the core on every input besides."""
    lane = Lane()
    lane.rules = Rules(TermsBook.parse(document), RULES.calendar)
    duel = Duel(DAYS, lane)
    named = {name: each for version in document["versions"] for name, each in version["programmes"].items()}
    duel.model.programmes = {name: known | programme_of(named[name]) for name, known in duel.model.programmes.items()}
    duel.model.versions = document["versions"]
    for message in inputs:
        duel.receive(message)
    return figures_of(duel.model)


def figures_of(model) -> StoryFigures:
    figures = StoryFigures()
    for verdict in model.verdicts:
        message, (outcome, reason) = verdict["input"], verdict["verdict"]
        if message.party is None or message.party.kind is not PartyKind.ACCOUNT:
            continue
        figures.outcomes[message.type, outcome, reason or ""] += 1
        if isinstance(message.body, PurchasePlaced) and outcome in {"applied", "declined"}:
            _add(figures, "accepted" if outcome == "applied" else "declined", message.body)
    for party, (_, what, *fields) in model.outputs:
        if party.kind is PartyKind.ACCOUNT:
            measure, amount = _measure(what, fields)
            if measure:
                figures.counts[measure] += 1
                figures.amounts[measure, "CNY"] += amount
    for party, known in model.parties.items():
        if party.kind is PartyKind.ACCOUNT and "opening" in known:
            _at_the_end(figures, model_state(model, party))
    return figures


def _add(figures: StoryFigures, measure: str, body: PurchasePlaced) -> None:
    figures.counts[measure] += 1
    figures.amounts[measure, body.currency] += body.amount_minor


def _measure(what: str, fields: list) -> tuple[str, int]:
    match what, fields:
        case "auto_debit.requested", [_, amount, *_]:
            return "debits_requested", amount
        case "payout.requested", [_, amount, *_]:
            return "payouts_to_accounts", amount
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
        result, inputs = asyncio.run(simulated(document, history))
        model = by_the_model(document, inputs)
        assert +result.other.outcomes == +model.outcomes, seed
        own = {key: amount for key, amount in result.other.amounts.items() if amount}
        assert own == {key: amount for key, amount in model.amounts.items() if amount}, seed
        counted = set(model.counts) | {"debits_requested", "payouts_to_accounts", "accounts"}
        for name in counted:
            assert result.other.counts[name] == model.counts[name], (seed, name)
        for measure, currency in {(measure, currency) for _, measure, currency in result.other.days}:
            days = sum(n for (_, *key), n in result.other.days.items() if tuple(key) == (measure, currency))
            assert days == result.other.amounts[measure, currency], "days come to the whole"
        differing["parties"] += result.parties_apart
        differing["left out"] += result.left_out.total()
        differing["moved"] += result.moved.total()
        if document is RECORDED:
            assert (result.parties_apart, result.recorded) == (0, result.other)
    assert document is RECORDED or min(differing.values()) > 0, "other terms make all the differences there are"
