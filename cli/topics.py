"""`postpay topics create` and `check`."""

import typer

from cli.connections import run
from cli.failures import EXIT_FOUND_WRONG
from cli.output import AsJson, print_document
from words.phrases import counted
from workers.kafka import topics
from workers.settings.model import Settings

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Create the Kafka topics, or say what about them is wrong."
)


@app.command(epilog="Example:  POSTPAY_LANES=8 postpay topics create")
def create(*, as_json: AsJson = False) -> None:
    """Create the topics that are missing, then check all.

    Every topic gets POSTPAY_LANES partitions, which cannot be changed later. Outside development each has 3 replicas,
    2 of them in sync. Topics that exist are left as they are; exit code 1 when one of them differs.
    """
    settings = Settings.load()
    creation = run(topics.create(settings))
    found = run(topics.check(settings))
    if as_json:
        print_document(
            {
                "created": creation.created,
                "existed": creation.existed,
                "differences": [_as_json(each) for each in found],
            }
        )
    else:
        typer.echo(f"{counted(len(creation.created), 'topic')} created, {len(creation.existed)} existed")
        _say(settings, found)
    raise typer.Exit(EXIT_FOUND_WRONG if found else 0)


@app.command(epilog="Example:  postpay topics check --json | jq .differences")
def check(*, as_json: AsJson = False) -> None:
    """Say what differs from how the topics must be; exit code 1 when something does.

    Also tells how many records producers have put on a wrong lane: those were settled all the same, by way of the topic
    'rerouted', but later than need be. Such a producer should partition as Kafka's Java clients do (librdkafka:
    partitioner=murmur2_random).
    """
    settings = Settings.load()
    found = run(topics.check(settings))
    is_readable = not any(each.what in topics.UNREADABLE for each in found)
    rerouted = run(topics.rerouted(settings)) if is_readable else 0
    if as_json:
        print_document({"ok": not found, "differences": [_as_json(each) for each in found], "rerouted": rerouted})
    else:
        _say(settings, found)
        if rerouted:
            typer.echo(
                f"note: some {rerouted} records came on a wrong lane; a producer does not partition by murmur2"
                " (librdkafka: partitioner=murmur2_random)"
            )
    raise typer.Exit(EXIT_FOUND_WRONG if found else 0)


def _say(settings: Settings, found: list[topics.Difference]) -> None:
    for line in topics.in_short(settings, found):
        typer.echo(line)
    typer.echo(f"{counted(len(found), 'difference')} found" if found else "all topics are as they must be")


def _as_json(difference: topics.Difference) -> dict[str, str]:
    return {
        "topic": difference.topic,
        "what": difference.what,
        "expected": difference.expected,
        "found": difference.found,
    }
