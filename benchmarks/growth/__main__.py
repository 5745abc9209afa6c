"""`python -m benchmarks.growth`, which script/growth calls."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.errors import BenchmarkError
from benchmarks.growth.plan import stages_of
from benchmarks.growth.run import GrowthFigures, GrowthRun, GrowthSize
from benchmarks.run import STEADY_RATES, remove_folder
from devstack.errors import DevstackError
from devstack.places import project_directory

RATIO_AT_LEAST = 0.9
WAIT_AT_MOST_MS = 1_000.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

COLUMNS = {
    "accounts": "accounts",
    "decisions": "decisions",
    "fill_s": "filled in s",
    "database_mib": "MiB",
    "postpay_per_s": "messages/s",
    **{f"latency_{rate}_{share}_ms": f"{rate}/s: {share} ms" for rate in STEADY_RATES for share in ("p50", "p99")},
    "worker_rss_mib": "worker MiB",
}


@app.command()
def growth(
    *,
    accounts: Annotated[str, typer.Option(help="Accounts at each stage, growing.")] = "10000,1000000,10000000",
    decisions: Annotated[
        str, typer.Option(help="Decisions at each stage, the openings of accounts among them.")
    ] = "0,5000000,50000000",
    timers: Annotated[
        int, typer.Option(min=100, help="How many timers fall due at one moment in the end.")
    ] = 1_000_000,
    messages: Annotated[
        int, typer.Option(min=1_000, help="How many messages are settled in the timed part of each stage.")
    ] = 200_000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    directory: Annotated[Path | None, typer.Option("--dir", help="Folder of the run's stack; wiped.")] = None,
) -> None:
    """Compare rate and latency as the database grows (docs/benchmarks.md, Growth)."""
    console = Console(stderr=True, highlight=False)
    folder = directory or project_directory() / ".devstack" / "growth"
    try:
        size = GrowthSize(stages_of(numbers(accounts), numbers(decisions)), messages, timers)
        figures = GrowthRun(size, folder, console).grown()
    except (BenchmarkError, DevstackError) as error:
        console.print(f"growth: {error}", markup=False)
        raise typer.Exit(1) from None
    remove_folder(folder)
    show(figures)
    if json_file is not None:
        json_file.write_text(json.dumps(figures.document(), indent=2) + "\n", encoding="utf-8")


def numbers(text: str) -> list[int]:
    """Whole numbers, divided by commas."""
    try:
        return [int(each) for each in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"expected whole numbers divided by commas, got {text!r}") from None


def show(figures: GrowthFigures) -> None:
    """Print the stages as a table, what timers made orders wait for, and the verdict."""
    table = Table(box=None, pad_edge=False)
    for title in COLUMNS.values():
        table.add_column(title, justify="right")
    for stage in figures.stages:
        document = stage.document()
        table.add_row(*(f"{document[name]:,.{1 if name.endswith('_ms') else 0}f}" for name in COLUMNS))
    console = Console(highlight=False)
    console.print(table)
    console.print(figures.waits.told())
    console.print(figures.archived.told())
    console.print(f"the audit found nothing, in {figures.audit_s:,.1f} s")
    console.print("Processor time, a message, a timer or a second:")
    for line in figures.processor:
        console.print(f"  {line}", markup=False)
    for line in verdict(figures):
        console.print(line)


def verdict(figures: GrowthFigures) -> list[str]:
    """What was to be reached, and whether it was."""
    rate, wait_ms = figures.ratio, figures.waits.most_ms
    before, behind = figures.stages[0].postpay_per_s, figures.first_again_per_s
    rate_said = (
        f"the last stage's rate is {rate:.2f} of the first's, which was {before:,.0f} a second before it and"
        f" {behind:,.0f} behind it; expected at least {RATIO_AT_LEAST:g}"
    )
    wait_said = f"an order waited for at most {wait_ms:,.0f} ms, expected less than {WAIT_AT_MOST_MS:,.0f}"
    return [
        f"{_reached(rate >= RATIO_AT_LEAST)}: {rate_said}",
        f"{_reached(wait_ms < WAIT_AT_MOST_MS)}: while timers fired, {wait_said}",
    ]


def _reached(is_so: bool) -> str:  # noqa: FBT001
    return "reached" if is_so else "NOT reached"


if __name__ == "__main__":
    app()
