"""`postpay archive write`, `check` and `list`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.acting import AsOperator, Reason, acting
from cli.connections import database, reaching, run
from cli.failures import EXIT_FOUND_WRONG
from cli.output import AsJson, people, print_document
from cli.progress import bar
from cli.source import time_of
from operating import archive_checking
from operating.archive_checking import ArchiveChecked
from operating.archiving import LaneArchived, archive
from settlement.dates import midnight
from storage.archive import ArchiveEnd, ArchiveFile, ends, files
from words.phrases import counted, moment
from words.tables import table
from workers.settings.model import Settings

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Move old decisions and postings to files, for good."
)

Directory = Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Of the archive.")]


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay archive write /archive --before 2025-01-01 --dry-run --reason 'how much would it be?'\n\n"
        "  postpay archive write /archive --before 2025-01-01 --reason 'retention of a year, CHG-402'\n\n"
        "  zstd -dc /archive/lane-03/batches-*.jsonl.zst | jq -c '.decisions[] | select(.party_id == \"a-1\")'\n\n"
        "What stays, what can't be looked at any more, how much room it takes: docs/runbooks/archiving.md"
    )
)
def write(
    directory: Directory,
    *,
    before: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="What lanes settled before this goes: a time with offset, or 00:00 of a date there."
        ),
    ],
    reason: Reason,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Write decisions and postings of long ago to files, and take them out of the database. Workers may run.

    Nothing changes for messages: repeated events are recognised for ever, balances and the audit are as before. What
    is in files can't be shown any more. It is written, read again, compared with its hashes, and only then dropped,
    lane by lane; killed on its way, it is started again. The user must be a member of postpay_owner, as for `postpay
    migrate`, and the disk have room for a lane's rows that stay.

    Exit code 1 when rows are not those that were hashed, or DIR is another database's.
    """
    settings = Settings.load()
    cut = time_of("--before", before, midnight)
    because = acting(settings, as_operator, reason)
    with reaching(settings.postgres), bar("archiving") as shown:

        def told(what: str, done: int, total: int) -> None:
            shown.tell(done, f"{done:,} decisions", what=what, total=total)

        went = run(archive(settings, cut, directory, because, told, dry_run=dry_run))
    if as_json:
        print_document({"dry_run": dry_run, "lanes": [each.document() for each in went]})
        return
    for each in went:
        typer.echo(_sentence(each, dry_run=dry_run))
    if not went:
        typer.echo(f"nothing to archive: no lane has anything from before {moment(cut)}")


def _sentence(went: LaneArchived, *, dry_run: bool) -> str:
    rows = (
        f"{counted(went.decisions, 'decision')} and {counted(went.postings, 'posting')} up to {moment(went.lane_time)}"
    )
    if dry_run:
        return f"lane {went.lane}: {rows} would go"
    size = sum(file.size_bytes for file in went.files)
    return f"lane {went.lane}: {rows} went; {counted(len(went.files), 'file')}, {size:,} bytes"


@app.command(epilog="Example:  postpay archive check /archive/postpay --json | jq .problems")
def check(directory: Directory, *, as_json: AsJson = False) -> None:
    """Read an archive through, and compare it with the database: sums, hashes, what was carried forward.

    Exit code 1 when a file is missing or damaged, or the database has carried forward what the files don't say.
    """
    checked = run(_check(Settings.load(), directory))
    if as_json:
        print_document(checked.document())
    else:
        for problem in checked.problems:
            typer.echo(problem)
        read = f"{counted(checked.decisions, 'decision')} in {counted(checked.files, 'file')} read in {directory}"
        whole = "all of it is whole" if not checked.problems else f"{counted(len(checked.problems), 'problem')}"
        typer.echo(f"{read}: {whole}")
    raise typer.Exit(EXIT_FOUND_WRONG if checked.problems else 0)


async def _check(settings: Settings, directory: Path) -> ArchiveChecked:
    async with database(settings) as connection:
        size_bytes = sum(file.size_bytes for file in await files(connection))
        with bar("checking", size_bytes) as shown:
            return await archive_checking.check(connection, directory, shown.tell)


@app.command("list", epilog="Example:  postpay archive list --json | jq -r '.files[].name'")
def list_(*, as_json: AsJson = False) -> None:
    """List up to when each lane is archived, and the files."""
    by_lane, all_files = run(_list(Settings.load()))
    if as_json:
        print_document(
            {
                "lanes": [asdict(end) for end in by_lane],
                "files": [file.document() for file in all_files],
            }
        )
        return
    rows = [
        (end.lane, moment(end.lane_time), f"{end.decisions:,}", f"{end.postings:,}", moment(end.archived_at))
        for end in by_lane
    ]
    people().print(
        table("Archived", ("#lane", "up to", "#decisions", "#postings", "at"), rows) if rows else "nothing is archived"
    )
    named = [
        (file.lane, f"{file.first_batch_seq:,} to {file.last_batch_seq:,}", f"{file.size_bytes:,}", file.name)
        for file in all_files
    ]
    if named:
        people().print(table("Files", ("#lane", "batches", "#bytes", "name"), named))


async def _list(settings: Settings) -> tuple[list[ArchiveEnd], list[ArchiveFile]]:
    async with database(settings) as connection:
        return [*(await ends(connection)).values()], await files(connection)
