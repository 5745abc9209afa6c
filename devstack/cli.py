"""The commands `postpay dev …`: a real Kafka and Postgres without Docker."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from devstack import stack
from devstack.errors import DevstackError
from devstack.places import default_directory

app = typer.Typer(
    help="Start and stop a real Kafka and a real Postgres without Docker.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

EXIT_NOT_RUNNING = 1
EXIT_FAILED = 2

Directory = Annotated[
    Path,
    typer.Option(
        "--dir",
        default_factory=default_directory,
        file_okay=False,
        help="Folder of the stack's data and logs.",
        show_default="$POSTPAY_DEV_DIR or .devstack/default",
    ),
]


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay dev up\n\n"
        '  postpay dev up --dir /tmp/stack --fresh && eval "$(postpay dev env --dir /tmp/stack)"\n\n'
        "Both go on when the shell ends. They listen on 127.0.0.1 alone, on ports that were free."
    )
)
def up(directory: Directory, *, fresh: Annotated[bool, typer.Option(help="Remove all data first.")] = False) -> None:
    """Start Kafka and Postgres in the background; what runs already is left alone."""
    with _progress() as report:
        running = stack.up(directory, fresh=fresh, progress=report)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"Kafka    {running.bootstrap}  (process {running.kafka_pid}, log {running.kafka.log})")
    console.print(f"Postgres {running.dsn}  (process {running.postgres_pid}, log {running.postgres.log})")
    console.print(
        f'Next: eval "$(postpay dev env --dir {directory})"; end both with: postpay dev down --dir {directory}'
    )


@app.command(epilog="Example:  postpay dev status --json | jq -r .postgres.dsn")
def status(
    directory: Directory, *, as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False
) -> None:
    """Say what runs, and where. Exit code 1 when a part doesn't run."""
    found = stack.status(directory)
    kafka = {"pid": found.kafka_pid, "bootstrap": found.bootstrap} if found.kafka.is_running else None
    postgres = {"pid": found.postgres_pid, "dsn": found.dsn} if found.postgres.is_running else None
    if as_json:
        typer.echo(json.dumps({"kafka": kafka, "postgres": postgres}))
    else:
        typer.echo(f"Kafka    {found.bootstrap} (process {found.kafka_pid})" if kafka else "Kafka    does not run")
        typer.echo(f"Postgres {found.dsn} (process {found.postgres_pid})" if postgres else "Postgres does not run")
    if not found.is_running:
        raise typer.Exit(EXIT_NOT_RUNNING)


@app.command(epilog='Example:  eval "$(postpay dev env)"')
def env(directory: Directory) -> None:
    """Print the settings that point postpay at the stack, for a shell to evaluate. Exit code 1 when it doesn't run."""
    found = stack.status(directory)
    if not found.is_running:
        typer.echo(f"no stack runs in {directory}; start it with: postpay dev up --dir {directory}", err=True)
        raise typer.Exit(EXIT_NOT_RUNNING)
    typer.echo(found.export_lines())


@app.command(epilog="Example:  postpay dev down --wipe")
def down(directory: Directory, *, wipe: Annotated[bool, typer.Option(help="Remove all data as well.")] = False) -> None:
    """Stop Kafka and Postgres; their data stays."""
    with _progress() as report:
        report("stopping Kafka and Postgres")
        stack.down(directory, wipe=wipe)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show what is being done on a terminal, or line by line where there is none; an error becomes one message."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        if console.is_terminal:
            with console.status("starting") as shown:
                yield shown.update
        else:
            yield lambda message: console.print(message, markup=False)
    except DevstackError as error:
        console.print(f"error: {error}", markup=False)
        raise typer.Exit(EXIT_FAILED) from error
