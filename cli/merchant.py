"""`postpay merchant show`."""

from typing import Annotated

import typer

from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, people, print_document
from storage.stories.merchant import MerchantStory, merchant_story
from words.merchant import tell
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at one merchant.")


@app.callback()
def merchant() -> None:
    """Look at one merchant."""


@app.command(epilog="Examples:\n\n  postpay merchant show m-1\n\n  postpay merchant show m-1 --json | jq .deposits")
def show(
    merchant_id: Annotated[str, typer.Argument(metavar="ID", help="The merchant's id, as in the messages.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell a merchant's whole story: what we owe it, its deposits, what stands against a refund, and every message.

    Exit code 1 when nothing is known of such a merchant.
    """
    settings = Settings.load()
    story = run(_story(settings, merchant_id))
    if story is None:
        raise Failure(f"no merchant {merchant_id!r} is known: nothing about it was settled", EXIT_FOUND_WRONG)
    if as_json:
        print_document(story.document())
    else:
        people().print(*tell(story), sep="\n")


async def _story(settings: Settings, merchant_id: str) -> MerchantStory | None:
    async with database(settings) as connection:
        return await merchant_story(connection, merchant_id)
