"""`postpay account show`."""

from typing import Annotated

import typer

from cli.as_of import AsOfTime, Past, ProvenFolder, books, document, past_of, sentence
from cli.connections import run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, people, print_document
from cli.source import FromDirectory, Offline
from settlement.party import Party, PartyKind
from storage.stories.account import AccountStory, account_story
from words.account import tell
from words.phrases import moment
from workers.replay.as_of import AsOf
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at one buyer's account.")


@app.callback()
def account() -> None:
    """Look at one buyer's account."""


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay account show a-1\n\n"
        "  postpay account show a-1 --json | jq .orders\n\n"
        "  postpay account show a-1 --as-of 2026-04-30\n\n"
        "What was there then, and what was not known then: docs/replay.md, As of a time"
    )
)
def show(
    account_id: Annotated[str, typer.Argument(metavar="ID", help="The account's id, as in the messages.")],
    *,
    as_of: AsOfTime = None,
    directory: FromDirectory = None,
    offline: Offline = False,
    checkpoints: ProvenFolder = None,
    as_json: AsJson = False,
) -> None:
    """Tell an account's whole story: its line, what it owes and why, and every message about it.

    With --as-of: what this would have told then. Money that came later for an earlier day is not in it. For that the
    account's lane is decided again from its topics, which takes as long as there is history.

    Exit code 1 when nothing is, or was then, known of such an account.
    """
    settings = Settings.load()
    past = past_of(as_of, directory, checkpoints, offline=offline)
    story, shown = run(_story(settings, past, account_id))
    if story is None:
        by = "" if past.at is None else f" by {moment(past.at)}"
        msg = f"no account {account_id!r} is known: no credit_line.opened for it was settled{by}"
        raise Failure(msg, EXIT_FOUND_WRONG)
    if as_json:
        print_document({**document(shown), **story.document()})
    else:
        people().print(*([] if shown is None else [sentence(shown)]), *tell(story), sep="\n")


async def _story(settings: Settings, past: Past, account_id: str) -> tuple[AccountStory | None, AsOf | None]:
    async with books(settings, past, Party(PartyKind.ACCOUNT, account_id)) as (connection, shown):
        return await account_story(connection, account_id), shown
