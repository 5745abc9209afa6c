"""`postpay merchant show`."""

from typing import Annotated

import typer

from cli.as_of import AsOfTime, Past, ProvenFolder, books, document, past_of, sentence
from cli.connections import run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, people, print_document
from cli.source import FromDirectory, Offline
from settlement.party import Party, PartyKind
from storage.stories.merchant import MerchantStory, merchant_story
from words.merchant import tell
from words.phrases import moment
from workers.replay.as_of import AsOf
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at one merchant.")


@app.callback()
def merchant() -> None:
    """Look at one merchant."""


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay merchant show m-1\n\n"
        "  postpay merchant show m-1 --json | jq .deposits\n\n"
        "  postpay merchant show m-1 --as-of 2026-04-30T12:00:00+08:00\n\n"
        "What was there then, and what was not known then: docs/replay.md, As of a time"
    )
)
def show(
    merchant_id: Annotated[str, typer.Argument(metavar="ID", help="The merchant's id, as in the messages.")],
    *,
    as_of: AsOfTime = None,
    directory: FromDirectory = None,
    offline: Offline = False,
    checkpoints: ProvenFolder = None,
    as_json: AsJson = False,
) -> None:
    """Tell a merchant's whole story: what we owe it, its deposits, what stands against a refund, and every message.

    With --as-of: what this would have told then. What accounts' lanes had decided, and this merchant's lane had not
    received yet, is not in it. For that the merchant's lane is decided again from its topics, which takes as long as
    there is history.

    Exit code 1 when nothing is, or was then, known of such a merchant.
    """
    settings = Settings.load()
    past = past_of(as_of, directory, checkpoints, offline=offline)
    story, shown = run(_story(settings, past, merchant_id))
    if story is None:
        by = "" if past.at is None else f" by {moment(past.at)}"
        raise Failure(f"no merchant {merchant_id!r} is known: nothing about it was settled{by}", EXIT_FOUND_WRONG)
    if as_json:
        print_document({**document(shown), **story.document()})
    else:
        people().print(*([] if shown is None else [sentence(shown)]), *tell(story), sep="\n")


async def _story(settings: Settings, past: Past, merchant_id: str) -> tuple[MerchantStory | None, AsOf | None]:
    async with books(settings, past, Party(PartyKind.MERCHANT, merchant_id)) as (connection, shown):
        return await merchant_story(connection, merchant_id), shown
