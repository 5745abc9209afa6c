"""`python -m benchmarks`, which script/benchmark calls."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.errors import BenchmarkError
from benchmarks.hot import Hot, HotFigures, HotRun
from benchmarks.named import NamedFigures, NamedRun
from benchmarks.replay_alone import ReplayFigures, ReplayRun
from benchmarks.run import STEADY_RATES, BenchmarkRun, BenchmarkSize, Figures, remove_folder
from devstack.errors import DevstackError
from devstack.places import project_directory

AnyFigures = Figures | HotFigures | NamedFigures | ReplayFigures

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

MEANINGS = {
    "floor_per_s": "the floor: COPY of the same rows, one connection",
    "plain_agent_1_per_s": "a plain Faust agent, one transaction per message",
    "plain_agent_8_per_s": "the same, 8 side by side",
    "postpay_per_s": "postpay, Kafka to Postgres to Kafka",
    "workers": "workers that shared its lanes",
    "ratio_floor": "postpay against the floor",
    "ratio_plain_8": "postpay against the plain agent with 8",
    "latency_p50_ms": "record produced to output visible, half the rate: median",
    "latency_p99_ms": "the same, 99 %",
    **{
        name.format(rate=rate): meaning.format(rate=rate)
        for rate in STEADY_RATES
        for name, meaning in {
            "latency_{rate}_p50_ms": "at {rate} a second: median",
            "latency_{rate}_p99_ms": "the same, 99 %",
            "cores_{rate}": "processors that worker, broker and database kept busy meanwhile",
        }.items()
    },
    "latency_floor_p50_ms": f"the latency floor: a bare loop at {STEADY_RATES[0]} a second, median",
    "latency_floor_p99_ms": "the same, 99 %",
    f"latency_floor_{STEADY_RATES[1]}_p50_ms": f"the same at {STEADY_RATES[1]} a second: median",
    f"latency_floor_{STEADY_RATES[1]}_p99_ms": "the same, 99 %",
    **{f"cores_floor_{rate}": "processors that bare loop, broker and database kept busy" for rate in STEADY_RATES},
    "worker_rss_mib": "most memory of a worker",
    "replay_per_s": "the same messages decided again and compared with the database",
    "ratio_replay": "that against postpay; 3 is the least it should be",
    "replay_rss_mib": "most memory of one of its processes",
    "spread_per_s": "postpay, orders spread over all accounts and merchants",
    "hot_merchant_per_s": "postpay, all orders of one merchant",
    "ratio_hot_merchant": "that against orders that are spread; 0.67 is the least it should be",
    "hot_account_per_s": "postpay, all orders of one account",
    "ratio_hot_account": "that against orders that are spread; 0.67 is the least it should be",
}


@app.command()
def benchmark(
    *,
    messages: Annotated[
        int, typer.Option(min=1_000, help="How many messages are settled in the timed part.")
    ] = 200_000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    hot_merchant: Annotated[
        bool, typer.Option("--hot-merchant", help="Measure one merchant for everything against many, and nothing else.")
    ] = False,
    hot_account: Annotated[
        bool, typer.Option("--hot-account", help="The same of one account; both are measured if both are asked for.")
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Measure postpay and the replay of it, and nothing else.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=8, help="How many workers share the lanes; all else stays the same.")
    ] = 1,
    dsn: Annotated[
        str | None, typer.Option("--dsn", help="Measure postpay alone on this database, new or just migrated.")
    ] = None,
    directory: Annotated[Path | None, typer.Option("--dir", help="Folder of the run's stack; wiped.")] = None,
) -> None:
    """Measure the floor, a plain agent and postpay in one run on a stack of their own (docs/benchmarks.md)."""
    console = Console(stderr=True, highlight=False)
    folder = directory or project_directory() / ".devstack" / "benchmark"
    try:
        figures: AnyFigures
        asked: dict[Hot, bool] = {"merchant": hot_merchant, "account": hot_account}
        if hot := [each for each, is_asked in asked.items() if is_asked]:
            figures = HotRun(BenchmarkSize.of(messages), folder, console).compare(hot)
        elif replay:
            figures = ReplayRun(BenchmarkSize.of(messages), folder, console, workers=workers).measured()
        elif dsn is not None:
            figures = NamedRun(BenchmarkSize.of(messages), folder, console, workers=workers).measured(dsn)
        else:
            figures = BenchmarkRun(BenchmarkSize.of(messages), folder, console, workers=workers).run()
    except (BenchmarkError, DevstackError) as error:
        console.print(f"benchmark: {error}", markup=False)
        raise typer.Exit(1) from None
    remove_folder(folder)
    show(figures)
    if json_file is not None:
        json_file.write_text(json.dumps(figures.document(), indent=2) + "\n", encoding="utf-8")


def show(figures: AnyFigures) -> None:
    """Print the figures as a table."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for name, value in figures.document().items():
        table.add_row(number(name, value), MEANINGS[name])
    console = Console(highlight=False)
    console.print(table)
    if isinstance(figures, Figures | ReplayFigures):
        console.print("Processor time, a message or a second:")
        for line in figures.processor:
            console.print(f"  {line}", markup=False)


def number(name: str, value: float) -> str:
    """With as many places as the figure deserves."""
    if name.startswith(("ratio", "cores")):
        return f"{value:,.2f}"
    return f"{value:,.1f}" if name.endswith("_ms") else f"{value:,.0f}"


if __name__ == "__main__":
    app()
