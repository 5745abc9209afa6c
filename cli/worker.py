"""`postpay worker`."""

import functools
import importlib

import typer

from workers.settings.model import Settings

app = typer.Typer(add_completion=False)


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay worker\n\n"
        "  POSTPAY_OPS__PORT=6067 POSTPAY_LOG__FORMAT=console postpay worker\n\n"
        "While it runs: curl 127.0.0.1:6066/readyz, curl 127.0.0.1:6066/metrics, postpay lag"
    )
)
def worker() -> None:
    """Settle until told to stop (SIGTERM or SIGINT); start as many as you like, up to one per lane.

    On a signal it finishes the batch in flight, relays it, and exits 0 within 30 s. A broker or database that goes away
    is waited for. What needs a person (a hole in the input, say) stops the lane it concerns, and is told in the log, on
    /readyz and by the metric postpay_lane_state.
    """
    settings = Settings.load()
    # Faust and aiohttp take their time to import; no other command needs them, and `postpay --help` neither.
    engine = importlib.import_module("workers.worker")
    ops = importlib.import_module("workers.ops.endpoints")
    raise typer.Exit(engine.run(settings, functools.partial(ops.serving, settings)))
