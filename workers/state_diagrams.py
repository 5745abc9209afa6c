"""Draws docs/states.md from the tables of states: those of the rules, and that of a lane.

`python -m workers.state_diagrams --write` writes it, `--check` tells whether it is up to date. It stands here because
nothing below knows both.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from contracts.generated import GeneratedFiles
from settlement.answers import (
    DEBIT_ANSWERS,
    DEPOSIT_REFUND_ANSWERS,
    LINE_ANSWERS,
    ORDER_ANSWERS,
    PAYOUT_ANSWERS,
    RETURN_ANSWERS,
    Answers,
)
from settlement.lifecycles import DEBIT, DEPOSIT_REFUND, LINE, OBLIGATION, ORDER, PAYOUT, RETURN, Machine
from workers.status import LANE

StatusT = TypeVar("StatusT", bound=StrEnum)

DOCUMENT = Path(__file__).parents[1] / "docs" / "states.md"


def _drawn(machine: Machine[StatusT], answers: Answers) -> str:
    """One section of docs/states.md."""
    lines = [f"## {machine.name.capitalize()}", "", "```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {status}: {step}" for step, status in machine.begins.items()]
    lines += [f"    {status} --> {target}: {step}" for (status, step), target in machine.steps.items()]
    lines += ["```", "", "| State | Step | New state |", "|---|---|---|"]
    lines += [f"| – | {step} | `{status}` |" for step, status in machine.begins.items()]
    lines += [f"| `{status}` | {step} | `{target}` |" for (status, step), target in machine.steps.items()]
    if answers:
        states = list(next(iter(answers.values())))
        lines += ["", f"What becomes of a message, by the {machine.name}'s state:", ""]
        lines += ["| | " + " | ".join(f"`{state}`" for state in states) + " |", "|---" * (len(states) + 1) + "|"]
        lines += [f"| `{kind}` | " + " | ".join(map(_cell, cells.values())) + " |" for kind, cells in answers.items()]
    return "\n".join(lines)


def _cell(answers: str) -> str:
    return "<br>".join(f"`{answer}`" for answer in answers.split())


def document() -> str:
    """The text of docs/states.md."""
    head = (
        "# States\n\n"
        "Drawn from the tables in `settlement/lifecycles.py` by `python -m workers.state_diagrams --write`; change\n"
        "them there. What each step means is in [rules.md](rules.md). A second table, from `settlement/answers.py`,\n"
        "tells what becomes of a message in every state, whether that allows its step or not: an outcome or the\n"
        "reason of a refusal. Where several stand, more than the state counts; rules.md says what. Last stands what a\n"
        "lane of a worker is doing, from `workers/status.py`; [flow.md](flow.md) says what its steps mean.\n"
    )
    sections = [
        _drawn(LINE, LINE_ANSWERS),
        _drawn(ORDER, ORDER_ANSWERS),
        _drawn(OBLIGATION, {}),
        _drawn(DEBIT, DEBIT_ANSWERS),
        _drawn(RETURN, RETURN_ANSWERS),
        _drawn(DEPOSIT_REFUND, DEPOSIT_REFUND_ANSWERS),
        _drawn(PAYOUT, PAYOUT_ANSWERS),
        _drawn(LANE, {}),
    ]
    return head + "\n" + "\n\n".join(sections) + "\n"


def generated() -> GeneratedFiles:
    """Name docs/states.md and what it should hold."""
    return GeneratedFiles("workers.state_diagrams", {DOCUMENT: document()})


if __name__ == "__main__":
    sys.exit(generated().run(sys.argv[1:]))
