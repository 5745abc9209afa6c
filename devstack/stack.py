"""Kafka and Postgres together, in one folder."""

import fcntl
import os
import shlex
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.kafka import KafkaNode
from devstack.node import Node, Progress, silent
from devstack.postgres import PostgresNode


@dataclass(frozen=True, slots=True)
class Stack:
    """The two servers kept in one folder, running or not. All its calls block; from a coroutine use a thread."""

    kafka: KafkaNode
    postgres: PostgresNode

    @property
    def bootstrap(self) -> str:
        """Kafka's host:port."""
        return self.kafka.bootstrap

    @property
    def dsn(self) -> str:
        """Postgres as the superuser, database `postpay`."""
        return self.postgres.dsn

    @property
    def kafka_pid(self) -> int | None:
        """The broker's process, None when it doesn't run."""
        return self.kafka.pid

    @property
    def postgres_pid(self) -> int | None:
        """The database server's process, None when it doesn't run."""
        return self.postgres.pid

    @property
    def is_running(self) -> bool:
        """Whether both run."""
        return self.kafka.is_running and self.postgres.is_running

    def environment(self) -> dict[str, str]:
        """The settings that point postpay at this stack."""
        return {"POSTPAY_KAFKA__BOOTSTRAP": self.bootstrap, "POSTPAY_POSTGRES__DSN": self.dsn}

    def export_lines(self) -> str:
        """The same for a shell to evaluate."""
        return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in self.environment().items())


def up(directory: Path, *, fresh: bool = False, progress: Progress | None = None) -> Stack:
    """Start what doesn't run yet and wait until both serve.

    Args:
        directory: where data, logs and state are kept from one run to the next; made when absent.
        fresh: stop both and remove their data first.
        progress: told in a few words what is being done, from more than one thread.

    Raises:
        DevstackError: a part could not be fetched or started; what this call had started is stopped again.
    """
    report = progress or silent
    with _only_one(directory, report):
        stack = status(directory)
        nodes: tuple[Node, ...] = (stack.kafka, stack.postgres)
        if fresh:
            _stop(nodes)
            for node in nodes:
                node.wipe()
        ran_before = [node for node in nodes if node.is_running]
        try:
            with ThreadPoolExecutor(len(nodes)) as pool:
                starts = [pool.submit(node.start, report) for node in nodes]
            for start in starts:
                start.result()
        except BaseException:
            _stop(node for node in nodes if node not in ran_before)
            raise
        return stack


def down(directory: Path, *, wipe: bool = False) -> None:
    """Stop both gracefully; nothing to do when they don't run. With `wipe` they just end, and their data goes too."""
    with _only_one(directory, silent):
        stack = status(directory)
        if not wipe:
            _stop((stack.kafka, stack.postgres))
            return
        stack.kafka.kill()
        stack.postgres.stop("immediate")
        stack.kafka.wipe()
        stack.postgres.wipe()


def status(directory: Path) -> Stack:
    """Find what is kept in a folder, started by whatever command; changes nothing."""
    return Stack(KafkaNode(directory), PostgresNode(directory))


def _stop(nodes: Iterable[Node]) -> None:
    with ThreadPoolExecutor() as pool:
        for stop in [pool.submit(node.stop) for node in nodes]:
            stop.result()


@contextmanager
def _only_one(directory: Path, progress: Progress) -> Iterator[None]:
    """Let one `up` or `down` at a time into a folder; the lock goes with the process that holds it."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another command in {os.fspath(directory)}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
