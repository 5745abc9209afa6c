"""`postpay history export` and `check`."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.connections import run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, print_document
from cli.progress import reading_bar
from cli.source import Until, instant_of
from words.phrases import counted
from workers.replay import checking
from workers.replay import export as exporting
from workers.replay.checking import LaneChecked
from workers.replay.export import LaneExported
from workers.settings.model import Settings

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Keep the history of the lanes' topics in files, to be replayed."
)

Directory = Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Of the export.")]


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay history export /backup/history\n\n"
        "  postpay history export /backup/history --until 2026-07-01T00:00:00+08:00\n\n"
        "  zstd -dc /backup/history/lane-03/purchase-*.jsonl.zst | jq -r .value | jq -c .type | sort | uniq -c"
    )
)
def export(
    directory: Directory,
    *,
    until: Until = None,
    lanes: Annotated[
        list[int] | None, typer.Option("--lane", min=0, help="Only this lane; may be given several times.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Read at most so many lanes side by side.", show_default="processors")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the history of the lanes' topics and of the lane-log to files, one folder for each lane.

    It ends where the topics end when it starts; workers may go on. An export that is there already is continued: what
    came since is added, also after one that was killed. Every file has its sum in the lane's manifest. Needs the
    brokers only, no database. Exit code 1 when the directory holds another history, is damaged, or when the brokers
    have deleted what comes next.
    """
    settings = Settings.load()
    instant = instant_of(until)
    for lane in lanes or ():
        if lane >= settings.lanes:
            raise Failure(f"expected a lane below POSTPAY_LANES ({settings.lanes}), got {lane}")
    begun = time.monotonic()
    with exporting.locked(directory):
        added = run(_export(settings, directory, until=instant, lanes=frozenset(lanes or ()), processes=processes))
    _say(directory, added, time.monotonic() - begun, as_json=as_json)


async def _export(
    settings: Settings, directory: Path, *, until: datetime | None, lanes: frozenset[int], processes: int | None
) -> Mapping[int, LaneExported]:
    export = await exporting.prepared(settings, directory, until=until, lanes=lanes)
    with reading_bar("exporting", export.offsets) as told:
        return await export.run(told, processes=processes)


def _say(directory: Path, added: Mapping[int, LaneExported], seconds: float, *, as_json: bool) -> None:
    records, files, size = (
        sum(getattr(each, name) for each in added.values()) for name in ("records", "files", "size_bytes")
    )
    if as_json:
        print_document(
            {
                "directory": str(directory),
                "records": records,
                "files": files,
                "bytes": size,
                "seconds": round(seconds, 3),
                "lanes": [
                    {"lane": lane, "records": each.records, "files": each.files, "bytes": each.size_bytes}
                    for lane, each in added.items()
                ],
            }
        )
        return
    rate = f", {records / seconds:,.0f} a second" if records else ""
    typer.echo(
        f"{counted(records, 'record')} of {counted(len(added), 'lane')} added to {directory} in {seconds:,.1f} s{rate}:"
        f" {counted(files, 'file')}, {size / 1e6:,.1f} MB"
    )


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay history check /backup/history\n\n"
        "  postpay history check /backup/history --json | jq '.lanes[] | select(.problem)'"
    )
)
def check(
    directory: Directory,
    *,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Read at most so many lanes side by side.", show_default="processors")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read an export through: every file has its sum, and all that its lane-log speaks of is there.

    Asks no broker and no database. Exit code 1 when something is missing or damaged: the first of each lane is told.
    """
    provenance, history = run(checking.opened(Settings.load(), directory))
    with reading_bar("checking", checking.offsets(history)) as told:
        found = run(checking.checked(history, told, processes=processes))
    problems = [(lane, each.problem) for lane, each in found.items() if each.problem is not None]
    if as_json:
        print_document({"ok": not problems, **asdict(provenance), "lanes": [_checked(*each) for each in found.items()]})
    else:
        for lane, problem in problems:
            typer.echo(f"lane {lane}: {problem}")
        batches, records = (sum(getattr(each, name) for each in found.values()) for name in ("batches", "records"))
        read = f"{counted(records, 'record')} and {counted(batches, 'batch', 'batches')}"
        whole = "all of it is whole" if not problems else f"{counted(len(problems), 'lane')} not whole"
        typer.echo(f"{read} of {counted(len(found), 'lane')} read in {directory}: {whole}")
    raise typer.Exit(EXIT_FOUND_WRONG if problems else 0)


def _checked(lane: int, found: LaneChecked) -> dict[str, Any]:
    return {"lane": lane, **asdict(found)}
