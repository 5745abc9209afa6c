"""`postpay decision show`."""

from typing import Annotated

import typer

from cli import completion
from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, people, print_document
from contracts.topics import LANE_TOPICS
from storage import archive
from storage.stories.decision import DecisionStory, decision_story
from words.decision import tell
from words.phrases import moment
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at what became of one message.")


@app.callback()
def decision() -> None:
    """Look at what became of one message."""


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay decision show purchase e-1\n\n"
        "  postpay decision show repayment e-9 --key a-1 --json | jq .postings"
    )
)
def show(
    topic: Annotated[
        str,
        typer.Argument(
            metavar="TOPIC", help="The message's topic, without prefix.", autocompletion=completion.lane_topics
        ),
    ],
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="The message's event_id.")],
    *,
    key: Annotated[
        str | None, typer.Option(help="The account or merchant; an event_id counts within its topic and key.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what became of a message: outcome, reason, postings, outputs, and when it came again.

    Exit code 1 when no such message was settled.
    """
    if topic not in LANE_TOPICS:
        raise Failure(f"expected a topic without prefix ({', '.join(LANE_TOPICS)}), got {topic!r}")
    settings = Settings.load()
    story, more = run(_story(settings, topic, event_id, key))
    if story is None:
        of_key = f" of {key!r}" if key else ""
        raise Failure(f"no message {event_id!r}{of_key} of topic {topic} was settled{more}", EXIT_FOUND_WRONG)
    if as_json:
        print_document(story.document())
    else:
        people().print(*tell(story), sep="\n")


async def _story(settings: Settings, topic: str, event_id: str, key: str | None) -> tuple[DecisionStory | None, str]:
    """What became of it; where nothing is found, where else to look."""
    async with database(settings) as connection:
        story = await decision_story(connection, topic, event_id, key)
        until = max((end.lane_time for end in (await archive.ends(connection)).values()), default=None)
    archived = "" if until is None else f", or it was by {moment(until)}, which is archived (postpay archive list)"
    return story, f"{archived}; see: postpay lag"
