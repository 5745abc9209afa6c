"""A command of `postpay` that is measured, as operators run it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.embedded import environment_of
from cli.processes import POSTPAY, environment_with
from workers.settings.model import Settings


@contextmanager
def running(settings: Settings, directory: Path, said: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command, and end it if it has not ended by itself.

    Args:
        settings: its settings.
        directory: where it runs; made if need be.
        said: a file in it for what it says; complaints go beside it, to a file that ends in `.log`.
        arguments: what follows `postpay`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with said.open("wb") as output, said.with_suffix(".log").open("wb") as errors:
        process = subprocess.Popen(
            [POSTPAY, *arguments],
            env=environment_with(environment_of(settings)),
            cwd=directory,
            stdout=output,
            stderr=errors,
        )
        try:
            yield process
        finally:
            process.kill()  # of one that has ended nothing
            process.wait()
