"""A command of `postpay` that is measured, as operators run it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.embedded import environment_of
from cli.processes import POSTPAY, environment_with
from workers.settings.model import Settings


@contextmanager
def running(settings: Settings, said: Path, complaints: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command, and end it if it has not ended by itself.

    Args:
        settings: its settings.
        said: a file for what it says; the command runs in its folder, which is made if need be.
        complaints: a file for its standard error.
        arguments: what follows `postpay`.
    """
    said.parent.mkdir(parents=True, exist_ok=True)
    with said.open("wb") as output, complaints.open("wb") as errors:
        process = subprocess.Popen(
            [POSTPAY, *arguments],
            env=environment_with(environment_of(settings)),
            cwd=said.parent,
            stdout=output,
            stderr=errors,
        )
        try:
            yield process
        finally:
            process.kill()  # of one that has ended nothing
            process.wait()
