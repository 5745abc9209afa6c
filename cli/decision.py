"""`postpay decision show`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, counted, moment, money, people, print_document, table
from contracts.topics import LANE_TOPICS
from storage import views
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at what became of one message.")

Story = Mapping[str, Any]


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
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The message's topic, without prefix.")],
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
    story = run(_story(settings, topic, event_id, key))
    if story is None:
        of_key = f" of {key!r}" if key else ""
        raise Failure(
            f"no message {event_id!r}{of_key} of topic {topic} was settled; see: postpay lag", EXIT_FOUND_WRONG
        )
    if as_json:
        print_document(story)
    else:
        people().print(*tell(story), sep="\n")


async def _story(settings: Settings, topic: str, event_id: str, key: str | None) -> Story | None:
    async with database(settings) as connection:
        return await views.decision_story(connection, topic, event_id, key)


def tell(story: Story) -> Iterator[RenderableType]:
    """The story in words and tables."""
    yield _sentence(story)
    yield (
        f"It is record {story['offset']} of partition {story['partition']} of {story['topic']}, and happened"
        f" {moment(story['occurred_at']) or 'at a time that could not be read'} (Asia/Shanghai)."
    )
    if story.get("detail"):
        yield f"Detail: {story['detail']}"
    if len(story["keys"]) > 1:
        others = ", ".join(str(key) for key in story["keys"] if key != story["party_id"])
        yield f"The same event_id also came for {others}: see --key."
    yield ""
    if story["postings"]:
        yield table(
            counted(len(story["postings"]), "posting"),
            ("debit", "credit", "#amount"),
            [
                (each["debit"], each["credit"], money(each["amount_minor"], each["currency"]))
                for each in story["postings"]
            ],
        )
    if story["outputs"]:
        yield table(
            counted(len(story["outputs"]), "output"),
            ("type", "event"),
            [(each["type"], each["event_id"]) for each in story["outputs"]],
        )
    if story["repeats"]:
        yield table(
            f"It came again {counted(len(story['repeats']), 'time')}",
            ("outcome", "decided", "#partition", "#offset"),
            [
                (each["outcome"], moment(each["decided_at"]), each["partition"], each["offset"])
                for each in story["repeats"]
            ],
        )


def _sentence(story: Story) -> str:
    what = f"{story['type'] or 'Message'} {story['event_id']} of {story['party_id'] or 'nobody'}"
    when = moment(story["decided_at"])
    match story["outcome"]:
        case "parked":
            return f"{what} was parked at {when}: it waits for {story['waits_for']}."
        case "applied":
            return f"{what} was applied at {when}."
        case "duplicate":
            return f"{what} was a duplicate at {when}: its content was settled before, by another event."
        case "conflict":
            return f"{what} was a conflict at {when}: the id it takes is taken by other content."
        case outcome:
            reasons = ", ".join(story["reasons"]) or story["reason"]
            return f"{what} was {str(outcome).replace('_', '-')} at {when}: {reasons}."
