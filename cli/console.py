"""`postpay console`: the operators' page, and who may log in to it."""

import asyncio
import signal
import sys
from typing import Annotated

import typer

from cli.connections import reaching, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, print_lines
from console.access import Role
from console.app import serving
from console.login.passwords import LEAST_LENGTH, MOST_LENGTH, hashed
from console.login.users import ConsoleUser, UsersFile, require_name
from workers import logs
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, help="Serve the operators' page.", invoke_without_command=True)
user_app = typer.Typer(add_completion=False, no_args_is_help=True, help="Who may log in to the operators' page.")
app.add_typer(user_app, name="user")


@app.callback(
    epilog=(
        "Examples:\n\n"
        "  postpay console user add mei --role operator\n\n"
        "  postpay console\n\n"
        "Roles, what the database's log-in needs, and how to stand behind a proxy: docs/console.md"
    )
)
def console(context: typer.Context) -> None:
    """Serve the operators' page until told to stop (SIGTERM or SIGINT).

    It reads as postpay_auditor and acts as postpay_ops: its log-in must be a member of both.
    """
    if context.invoked_subcommand is None:
        settings = Settings.load()
        logs.configure(settings.log)
        run(_serve(settings))


async def _serve(settings: Settings) -> None:
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    with reaching(settings.postgres):
        async with serving(settings) as address:
            logs.get(__name__).info("console runs", url=address)
            await told_to_stop.wait()


@user_app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay console user add mei --role operator\n\n"
        "  pass show console | postpay console user add mei --role operator --stdin\n\n"
        "  postpay console user add mei --role auditor --no-password   # comes through the trusted proxy only"
    )
)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What they log in with; stands in the operator log.")],
    *,
    role: Annotated[Role, typer.Option(help="What they may do: docs/console.md, Roles.")],
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from standard input.")] = False,
    no_password: Annotated[bool, typer.Option("--no-password", help="Only the trusted proxy may name them.")] = False,
) -> None:
    """Let somebody log in, or change their role or password; it counts at once."""
    file = _users_file()
    password = None if no_password else _password(from_stdin=stdin)
    existed = name in file.users()
    file.put(ConsoleUser(require_name(name), role, None if password is None else hashed(password)))
    typer.echo(f"{name} {'is now' if existed else 'may log in as'} {role}")


@user_app.command(epilog="Example:  postpay console user remove mei")
def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="Their name.")]) -> None:
    """Log somebody out, for good. Exit code 1 when there is no such user."""
    if not _users_file().remove(name):
        raise Failure(f"no user {name!r}; see: postpay console user list", EXIT_FOUND_WRONG)
    typer.echo(f"{name} may log in no more")


@user_app.command("list", epilog="Example:  postpay console user list --json | jq -r .name")
def list_users(*, as_json: AsJson = False) -> None:
    """List who may log in, with their roles."""
    users = sorted(_users_file().users().values(), key=lambda user: user.name)
    if as_json:
        print_lines({"name": each.name, "role": each.role, "has_password": each.password is not None} for each in users)
        return
    for each in users:
        typer.echo(f"{each.name}\t{each.role}{'' if each.password else ' (through the proxy only)'}")


def _users_file() -> UsersFile:
    return UsersFile(Settings.load().console.users_file)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    else:
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not LEAST_LENGTH <= len(given) <= MOST_LENGTH:
        raise Failure(f"expected a password of {LEAST_LENGTH} to {MOST_LENGTH} characters, got {len(given)}")
    return str(given)
