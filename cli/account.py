"""`postpay account show`."""

from typing import Annotated

import typer

from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, people, print_document
from storage.stories.account import AccountStory, account_story
from words.account import tell
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at one buyer's account.")


@app.callback()
def account() -> None:
    """Look at one buyer's account."""


@app.command(epilog="Examples:\n\n  postpay account show a-1\n\n  postpay account show a-1 --json | jq .orders")
def show(
    account_id: Annotated[str, typer.Argument(metavar="ID", help="The account's id, as in the messages.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell an account's whole story: its line, what it owes and why, and every message about it.

    Exit code 1 when nothing is known of such an account.
    """
    settings = Settings.load()
    story = run(_story(settings, account_id))
    if story is None:
        raise Failure(f"no account {account_id!r} is known: no credit_line.opened for it was settled", EXIT_FOUND_WRONG)
    if as_json:
        print_document(story.document())
    else:
        people().print(*tell(story), sep="\n")


async def _story(settings: Settings, account_id: str) -> AccountStory | None:
    async with database(settings) as connection:
        return await account_story(connection, account_id)
