"""The command `postpay` as people run it, with the settings of one platform."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest import mock

import typer

from cli import app, main
from cli.processes import POSTPAY, environment_with
from tests.forking import FORKING, become

DEADLINE_S = 60


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def complaint(self) -> str:
        """The one line on standard error of a command that could not do what it was asked to.

        On a slow machine lines stand before it that tell how far long work is.
        """
        assert "Traceback" not in self.err, self.err
        *progress, line = self.err.splitlines()
        assert all(" %" in each for each in progress), self.err
        return line


@dataclass(frozen=True)
class Command:
    """`postpay` with the settings of one platform."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: str | bytes = b"", **settings: str) -> Ran:
        """Run the command in a thread of this process: a process of its own takes 0.6 s to import everything."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        environment = environment_with({**self.environment, **settings})
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(_run, ["postpay", *arguments], given, environment).result(DEADLINE_S)

    def within(self, executor: Executor, *arguments: str) -> Future[Ran]:
        """Run the command in one of an executor's processes, as several threads of one can't."""
        return executor.submit(_run, ["postpay", *arguments], b"", environment_with(self.environment))

    def process(self, *arguments: str, **settings: str) -> Ran:
        """Run the console script itself."""
        ended = subprocess.run(
            [POSTPAY, *arguments],
            capture_output=True,
            env=environment_with({**self.environment, **settings}),
            timeout=DEADLINE_S,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def start(self, *arguments: str, log: Path, **settings: str) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                [POSTPAY, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment_with({**self.environment, **settings}),
                # A shell's background job ignores SIGINT, and so would everything it starts.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  it sets that alone
            )


def _run(argv: list[str], stdin: bytes, environment: dict[str, str]) -> Ran:
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", argv),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    return Ran(code if isinstance(code, int) else 0, *(stream.buffer.getvalue().decode() for stream in (out, err)))


class Sink(StrEnum):
    """What may become of standard output."""

    NOBODY = "nobody"
    FULL = "full"
    CLOSED = "closed"


def leaves() -> list[tuple[str, ...]]:
    """Every command that does something, as it is typed, in the order of `postpay --help`."""

    def below(command: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        if not hasattr(command, "commands"):
            return [path]
        itself = [path] if command.invoke_without_command else []
        return itself + [leaf for name in command.commands for leaf in below(command.commands.get(name), (*path, name))]

    return below(typer.main.get_command(app), ())


def run_into(
    sink: Sink, directory: Path, *arguments: str, settings: Mapping[str, str] | None = None
) -> tuple[int | None, str]:
    """Run the command in a process in the folder whose output ends in a sink; its exit code and standard error."""
    log = directory / "stderr"
    process = FORKING.Process(target=_ending_in, args=(sink, log, ["postpay", *arguments], settings or {}))
    process.start()
    process.join(DEADLINE_S)
    assert process.exitcode is not None, arguments
    return process.exitcode, log.read_text()


def _ending_in(sink: Sink, log: Path, argv: list[str], settings: Mapping[str, str]) -> None:
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    match sink:
        case Sink.FULL:
            os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        case Sink.NOBODY:
            reader, writer = os.pipe()
            os.dup2(writer, 1)
            os.close(reader)
            os.close(writer)
        case Sink.CLOSED:
            os.close(1)
            sys.stdout = None  # type: ignore[assignment] # as the interpreter has it then
    become(argv, log.parent, environment_with(settings))
