"""`postpay replay …`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, print_document
from cli.progress import reading_bar
from cli.rebuild import EPILOG as REBUILD_EPILOG
from cli.rebuild import rebuild
from cli.simulate import EPILOG as SIMULATE_EPILOG
from cli.simulate import simulate
from cli.source import FromDirectory, Offline, source_of
from words.phrases import counted
from workers.replay.history import HistorySource, RecordedHistory, fixed
from workers.replay.report import LaneReport, VerificationReport
from workers.replay.verify import verify as verified
from workers.settings.model import Settings

FIGURES = ("message", "decision", "posting", "output")

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def replay() -> None:
    """Decide the history of the topics again: to prove the books, to make a lost database anew, to ask what if."""


app.command(epilog=REBUILD_EPILOG)(rebuild)
app.command(epilog=SIMULATE_EPILOG)(simulate)


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay replay verify\n\n"
        "  postpay replay verify --checkpoint /audit/postpay --from-batch 1000000\n\n"
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
    directory: FromDirectory = None,
    offline: Offline = False,
    outputs: Annotated[
        bool, typer.Option("--outputs/--no-outputs", help="Compare the output topics, as far as the brokers have them.")
    ] = True,
    checkpoints: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="DIR", file_okay=False, help="Keep in this folder what was proven."),
    ] = None,
    from_batch: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="With --checkpoint: begin with what was proven before this batch."),
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
    if from_batch is not None and checkpoints is None:
        raise Failure("--from-batch goes on from what was proven before; name its folder with --checkpoint DIR")
    options = {
        "outputs": outputs and not offline,
        "checkpoints": checkpoints,
        "from_batch": from_batch or 1,
        "processes": processes,
    }
    report = run(_verify(settings, source_of(directory, offline=offline), lane or (), options))
    if as_json:
        print_document(report.document())
    else:
        _say(report)
    raise typer.Exit(0 if report.equal else EXIT_FOUND_WRONG)


async def _verify(
    settings: Settings, source: HistorySource, lanes: Sequence[int], options: dict[str, Any]
) -> VerificationReport:
    async with database(settings) as connection:
        history = await fixed(settings, source)
        if lanes:
            history = replace(history, extents={lane: history.extents[_known(lane, history)] for lane in lanes})
        with reading_bar("deciding again", sum(extent.offsets for extent in history.extents.values())) as told:
            return await verified(history, connection, told, **options)


def _known(lane: int, history: RecordedHistory) -> int:
    """The lane, if there is one of that number.

    Raises:
        Failure: there is none.
    """
    if lane not in history.extents:
        raise Failure(f"--lane: expected one from 0 to {len(history.extents) - 1}, got {lane}")
    return lane


def _say(report: VerificationReport) -> None:
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
    if lane.state_by_rules:
        yield (
            f"in its end {counted(lane.state_by_rules, 'column')} came out differently, none a balance: other versions"
            f" of the rules, or migrations to this one, may have it so; the first: {lane.first_by_rules}"
        )
    for gap in lane.gaps:
        offsets = f"offsets {gap.first} to {gap.next_offset - 1}"
        yield f"batch {gap.batch_seq} passed over {gap.topic} {offsets}: no record of them was settled"
    if lane.archived_batches:
        yield (
            f"decisions of {counted(lane.archived_batches, 'batch', 'batches')} are archived: the hashes of these were"
            " compared"
        )
    if lane.outputs_gone:
        yield f"{counted(lane.outputs_gone, 'output')} could not be compared: the brokers have deleted them"
    if lane.unfinished:
        yield f"its end was not compared: {lane.unfinished}"


def _sentence(lane: LaneReport) -> str:
    batches = f"batches {lane.from_batch:,} to {lane.to_batch:,}" if lane.batches else "no batches"
    if lane.difference is not None:
        return f"DIFFERENT  lane {lane.lane}, {lane.difference}; later differences of the lane may follow from it"
    rows = "" if lane.state_rows is None else f", {counted(lane.state_rows, 'row')} at the end"
    compared = ", ".join(counted(getattr(lane, f"{each}s"), each) for each in FIGURES)
    return f"equal      lane {lane.lane}, {batches}: {compared}{rows}"


def _conclusion(report: VerificationReport) -> str:
    figures = ", ".join(
        [
            counted(len(report.lanes), "lane"),
            counted(report.total("batches"), "batch", "batches"),
            *(counted(report.total(f"{each}s"), each) for each in FIGURES),
        ]
    )
    said = f"{figures} in {report.seconds:,.1f} s, {report.rate_per_s:,.0f} messages/s"
    if not report.equal:
        return f"DIFFERENT: {said}; what to do: docs/runbooks/replay-differs.md"
    return f"{'equal' if report.complete else 'equal as far as it was compared'}: {said}"
