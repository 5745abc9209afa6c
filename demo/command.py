"""`postpay demo`."""

import asyncio
import json
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.processes import POSTPAY, WorkerFailedError
from demo.page import ServedPage
from demo.quarter import START
from demo.report import Report
from demo.run import Demo, Size
from devstack.errors import DevstackError
from devstack.places import project_directory

app = typer.Typer(add_completion=False)

DEFAULTS = Size()


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay demo\n\n"
        "  postpay demo --keep, then what it says at the end\n\n"
        "  postpay demo --json summary.json && jq .audit.ok summary.json"
    )
)
def demo(
    *,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", dir_okay=False, help="Write the summary to this file.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running, with the operators' page.")] = False,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir", file_okay=False, help="Folder of its own.", show_default=".devstack/demo in the checkout"
        ),
    ] = None,
    accounts: Annotated[int, typer.Option(min=1, max=1_000_000, help="Buyers' accounts.")] = DEFAULTS.accounts,
    merchants: Annotated[int, typer.Option(min=1, max=10_000, help="Merchants.")] = DEFAULTS.merchants,
    days: Annotated[int, typer.Option(min=10, max=270, help="Business days from 1 April 2026 on.")] = DEFAULTS.days,
    seed: Annotated[int, typer.Option(help="Another seed, another quarter.")] = DEFAULTS.seed,
) -> None:
    """Watch real workers settle a quarter of a small platform's life, from a seed, on a real Kafka and Postgres.

    Starts all of it in a folder of its own, lets the days pass, kills a worker half-way, audits the books, decides all
    of it again, tells one buyer's and one merchant's story, drops the database and makes it anew from the topics, asks
    what other terms would have done, and stops everything. Exit code 1 when an invariant does not hold.
    """
    console = Console(highlight=False, soft_wrap=not os.isatty(1))
    told = Demo(
        Size(accounts, merchants, days, seed),
        (directory or project_directory() / ".devstack" / "demo").absolute(),
        console,
    )
    try:
        wrong = asyncio.run(_run(told, console, json_file, keep=keep))
    except (DevstackError, WorkerFailedError) as error:
        raise Failure(str(error), EXIT_FOUND_WRONG) from error
    for line in wrong:
        console.print(f"WRONG  {line}", markup=False)
    raise typer.Exit(EXIT_FOUND_WRONG if wrong else 0)


async def _run(told: Demo, console: Console, json_file: Path | None, *, keep: bool) -> list[str]:
    """Run it; SIGTERM ends it as Ctrl-C does, with everything stopped."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with told.running(keep=keep) as report:
        report.show(console)
        if json_file is not None:
            _write(json_file, report)
        _conclude(console, report)
        if keep:
            served = await asyncio.to_thread(told.serve_page)
            console.print("\n".join(_next(told, report, served)), markup=False)
        return list(report.wrong())


def _write(json_file: Path, report: Report) -> None:
    json_file.write_text(json.dumps(report.summary(), indent=2) + "\n", encoding="utf-8")


def _conclude(console: Console, report: Report) -> None:
    settled = sum(report.inputs.values())
    console.print(
        f"{settled:,} of {report.sent:,} messages settled by {report.workers} workers, one of them killed half-way,"
        f" in {report.seconds:.0f} s."
    )


def _next(told: Demo, report: Report, served: ServedPage) -> list[str]:
    """What to try on a stack that was kept."""
    postpay = os.path.relpath(POSTPAY)
    after = (START + timedelta(days=told.size.days, hours=10)).isoformat()
    order = {
        "topic": "credit-line",
        "key": "acc-mine",
        "value": {
            "event_id": "mine-1",
            "type": "credit_line.opened",
            "occurred_at": after,
            "account_id": "acc-mine",
            "programme": "kuaishou",
            "limit_minor": 500_000,
            "currency": "CNY",
        },
    }
    stack = os.path.relpath(told.directory)
    people = " or ".join(f"{name} ({role})" for name, role in served.people.items())
    processes = " ".join(str(pid) for pid in (served.pid, *(worker.pid for worker in told.workers)))
    return [
        "",
        f"The operators' page: {served.address}",
        f"  log in as {people}, password {served.password}",
        "Kafka, Postgres and the workers go on. Point your shell at them:",
        f'  eval "$({postpay} dev env --dir {stack})"; export POSTPAY_CLOCK=event',
        "Look around:",
        f"  {postpay} lag",
        *(f"  {postpay} account show {each.party_id}" for each in (report.account,) if each),
        *(f"  {postpay} merchant show {each.party_id}" for each in (report.merchant,) if each),
        f"  {postpay} dead-letters list",
        *(f"  curl -s {worker.url}/metrics | grep ^postpay" for worker in told.workers[:1]),
        "Send a message of your own:",
        f"  echo '{json.dumps(order)}' | {postpay} produce - && {postpay} lag --wait 10",
        f"  {postpay} account show acc-mine",
        "End it:",
        f"  kill {processes}; {postpay} dev down --dir {stack}",
    ]
