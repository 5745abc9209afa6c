"""The command `postpay`. Each command is a module of its own here, loaded when it is asked for."""

import importlib
import inspect
import logging
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli import streams
from cli.failures import EXIT_INTERRUPTED, EXIT_MISUSE

__all__ = ["app", "main"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is, and which extra of the package it needs beside postpay itself."""

    module: str
    extra: str | None = None


# In the order of `postpay --help`: from nothing to a running worker, then looking, then proving.
ENTRIES = {
    "dev": Entry("cli.dev", extra="dev"),
    "demo": Entry("demo.command", extra="dev"),
    "migrate": Entry("cli.migrate"),
    "topics": Entry("cli.topics"),
    "terms": Entry("cli.terms"),
    "worker": Entry("cli.worker"),
    "produce": Entry("cli.produce"),
    "consume": Entry("cli.consume"),
    "lag": Entry("cli.lag"),
    "account": Entry("cli.account"),
    "merchant": Entry("cli.merchant"),
    "decision": Entry("cli.decision"),
    "dead-letters": Entry("cli.dead_letters"),
    "conflicts": Entry("cli.conflicts"),
    "parked": Entry("cli.parked"),
    "payouts": Entry("cli.payouts"),
    "suspense": Entry("cli.suspense"),
    "lane": Entry("cli.lane"),
    "operator-log": Entry("cli.operator_log"),
    "console": Entry("cli.console"),
    "audit": Entry("cli.audit"),
    "archive": Entry("cli.archive"),
    "history": Entry("cli.history"),
    "replay": Entry("cli.replay"),
}


class Commands(TyperGroup):
    """The group of all commands, which imports only the one that runs: `postpay lag` needs no Faust."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Loaded(ENTRIES)

    def list_commands(self, ctx: Any) -> list[str]:
        """Give the names in the order of ENTRIES."""
        return list(ENTRIES)


class _Loaded(dict[str, Any]):
    """Commands by name; the names are known at once, a command when it is first asked for."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(dict.fromkeys(names))

    def get(self, name: str, default: Any = None) -> Any:
        """Load the command."""
        if name in self and self[name] is None:
            self[name] = _load(name)
        return super().get(name, default)


def _load(name: str) -> Any:
    entry = ENTRIES[name]
    try:
        module = importlib.import_module(entry.module)
    except ModuleNotFoundError as missing:
        if entry.extra is None:
            raise
        command = typer.main.get_command(_unavailable(name, entry.extra, missing.name or "a module"))
    else:
        command = typer.main.get_command(module.app)
        _unwrap(command)
    command.name = name
    return command


def _unwrap(command: Any) -> None:
    """Make each paragraph of a command's help one line: Rich would break it where the source does, and at its width."""
    command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(command.help or ""))
    for below in getattr(command, "commands", {}).values():
        _unwrap(below)


def _unavailable(name: str, extra: str, module: str) -> typer.Typer:
    """Stand in for a command whose packages are not installed, so that `postpay --help` works all the same."""
    app = typer.Typer(add_completion=False)

    @app.command(
        help=f"(needs the extra '{extra}')",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def unavailable() -> None:
        typer.echo(
            f"postpay {name} needs packages that are not installed here ({module} is missing);"
            f" install them with: pip install 'postpay[{extra}]', or in a checkout run script/setup",
            err=True,
        )
        raise typer.Exit(EXIT_MISUSE)

    return app


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=(
        "First look, without Docker:  [bold]postpay demo[/bold]\n\n"
        'By hand:  [bold]postpay dev up[/bold], then [bold]eval "$(postpay dev env)"[/bold],'
        " [bold]postpay migrate[/bold], [bold]postpay topics create[/bold], [bold]postpay worker[/bold]\n\n"
        "Exit codes: 0 done, 1 found wrong, 2 misuse, or a broker or database that cannot be reached."
        " Settings are environment variables POSTPAY_…, also read from .env: docs/settings.md."
    ),
)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(version("postpay"))
        raise typer.Exit


@app.callback()
def postpay(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=lambda wanted: _show_version(wanted=wanted), is_eager=True, help="Show it."),
    ] = False,
) -> None:
    """Settle use-first-pay-later shopping: Kafka in, Postgres balances, Kafka out, exactly once."""


def main() -> None:
    """Run a command; what people can mend is told in one line, without a traceback."""
    # Commands say themselves what is wrong; aiokafka would say it first, several times. `worker` sets its own logging.
    logging.basicConfig(level=logging.CRITICAL)
    try:
        with streams.guarded():
            app(prog_name="postpay")
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        from cli.explaining import explain  # noqa: PLC0415  it imports all of postpay, for one who waits for an answer

        explained = explain(error)
        if explained is None:
            raise
        message, code = explained
        typer.echo(message, err=True)
        sys.exit(code)
