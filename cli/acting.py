"""Options of every command that changes something: who does it, and why."""

from typing import Annotated

import typer

from operating import operator
from storage.operator_log import Because
from workers.settings.model import Settings

AsOperator = Annotated[
    str | None,
    typer.Option(
        "--as", metavar="NAME", help="Who does it, for the operator log; default: POSTPAY_OPERATOR, or your user."
    ),
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the operator log.")]


def acting(settings: Settings, name: str | None, reason: str) -> Because:
    """Who does it, and why.

    Raises:
        ActionRefusedError: neither option, setting nor system names anybody, or there is no reason.
    """
    return operator.because(name, settings.operator, reason)
