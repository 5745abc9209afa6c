"""`postpay replay …`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG
from cli.output import AsJson, print_document
from words.phrases import counted
from workers.replay.processes import Tell
from workers.replay.report import LaneReport, Report
from workers.replay.verify import Options
from workers.replay.verify import verify as verified
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def replay() -> None:
    """Decide the history of the topics again: to prove the books."""


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay replay verify\n\n"
        "  postpay replay verify --lane 3 --json | jq '.lanes[0].difference'\n\n"
        "What is proven, and what to do when it says different: docs/replay.md, docs/runbooks/replay-differs.md"
    )
)
def verify(
    *,
    lane: Annotated[list[int] | None, typer.Option(metavar="N", help="Only this lane; may be given again.")] = None,
    processes: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Lanes at a time; by default one for each processor."),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="An export of the history, read before what the brokers have."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide every batch again from topics and lane-log, and compare with the database; exit code 1 on a difference.

    Compared are decisions, postings and the chain hash of each batch, its record in the lane-log, receipts of
    duplicates and conflicts, dead letters, and in the end every balance and other row of each lane: accounts, orders,
    obligations, merchants, parked inputs, timers, terms, positions. Nothing is written. Workers may go on meanwhile.

    Of each lane the first difference is told with both sides; later ones may follow from it. What another version of
    the rules decided differently is told apart. Reading the database and the topics is enough (role postpay_auditor).
    """
    settings = Settings.load()
    options = Options(lane or (), processes, directory)
    with _progress(hidden=as_json) as began:
        report = run(_verify(settings, options, began))
    if as_json:
        print_document(report.document())
    else:
        _say(report)
    raise typer.Exit(0 if report.equal else EXIT_FOUND_WRONG)


async def _verify(settings: Settings, options: Options, began: Callable[[int], Tell]) -> Report:
    async with database(settings) as connection:
        _known(options.lanes, settings.lanes)
        return await verified(settings, connection, options, began)


def _known(lanes: object, count: int) -> None:
    for lane in lanes if isinstance(lanes, list) else ():
        if not 0 <= lane < count:
            raise typer.BadParameter(f"expected a lane from 0 to {count - 1}, got {lane}", param_hint="--lane")


class _Rate(ProgressColumn):
    """Records a second."""

    def render(self, task: Task) -> Text:
        """Draw it."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} records/s")


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Callable[[int], Tell]]:
    """A bar on stderr, if anybody looks at it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn(), _Rate())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=hidden or not sys.stderr.isatty(), transient=True) as progress:

        def began(total: int) -> Tell:
            task = progress.add_task("deciding again", total=total)

            def told(offsets: int, _records: int) -> None:
                progress.update(task, completed=offsets)

            return told

        yield began


def _say(report: Report) -> None:
    for finding in report.findings:
        typer.echo(f"DIFFERENT  {finding}")
    for lane in report.lanes:
        typer.echo(_sentence(lane))
        for line in _more(lane, report.rules_version):
            typer.echo(f"           {line}")
    typer.echo(_conclusion(report))


def _more(lane: LaneReport, rules_version: int) -> Iterator[str]:
    """What is to be told of a lane besides."""
    for version in lane.versions.values():
        if version.differing:
            yield (
                f"under rules version {version.rules_version} (this is {rules_version})"
                f" {counted(version.differing, 'batch', 'batches')} of {version.batches:,} came out differently here,"
                f" which is no corruption: their rows are those that were hashed; the first: {version.first}"
            )
    for gap in lane.gaps:
        offsets = f"offsets {gap.first} to {gap.next_offset - 1}"
        yield f"batch {gap.batch_seq} passed over {gap.topic} {offsets}: no record of them was settled"
    if lane.unfinished:
        yield f"its end was not compared: {lane.unfinished}"


def _sentence(lane: LaneReport) -> str:
    batches = f"batches {lane.from_batch:,} to {lane.to_batch:,}" if lane.batches else "no batches"
    if lane.difference is not None:
        return f"DIFFERENT  lane {lane.lane}, {lane.difference}; later differences of the lane may follow from it"
    rows = "" if lane.state_rows is None else f", {counted(lane.state_rows, 'row')} at the end"
    return (
        f"equal      lane {lane.lane}, {batches}: {counted(lane.messages, 'message')},"
        f" {counted(lane.decisions, 'decision')}, {counted(lane.postings, 'posting')}{rows}"
    )


def _conclusion(report: Report) -> str:
    figures = (
        f"{counted(len(report.lanes), 'lane')}, {counted(report.total('batches'), 'batch', 'batches')},"
        f" {counted(report.total('messages'), 'message')}, {counted(report.total('decisions'), 'decision')},"
        f" {counted(report.total('postings'), 'posting')} in {report.seconds:,.1f} s,"
        f" {report.rate_per_s:,.0f} messages/s"
    )
    if not report.equal:
        return f"DIFFERENT: {figures}; what to do: docs/runbooks/replay-differs.md"
    return f"{'equal' if report.complete else 'equal as far as it was compared'}: {figures}"
