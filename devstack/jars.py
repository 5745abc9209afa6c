"""The jars of the Kafka broker: fetched once from a Maven repository, checked every time.

`kafka.jars` names each jar with its size in bytes and its SHA-256, so what runs is what was reviewed, whatever the
repository answers. `python -m devstack.jars VERSION` prints that file for another Kafka version.
"""

import fcntl
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import DevstackError
from devstack.places import jar_directory, maven_repository

LOCK_FILE = Path(__file__).with_name("kafka.jars")
# Enough to hide the repository's latency for many small files, few enough to be polite.
PARALLEL_DOWNLOADS = 6
DOWNLOAD_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Jar:
    """One Maven artifact as the lock file names it."""

    sha256: str
    size_bytes: int
    group: str
    artifact: str
    version: str

    @property
    def file_name(self) -> str:
        """Its name in the jar folder; the artifact names of the lock file are unique."""
        return f"{self.artifact}-{self.version}.jar"

    def is_at(self, path: Path) -> bool:
        """Whether exactly this jar lies there; a cut-off or altered file is not it."""
        try:
            return path.stat().st_size == self.size_bytes and _sha256(path) == self.sha256
        except FileNotFoundError:
            return False


def locked_jars() -> list[Jar]:
    """Read the lock file, in class path order."""
    lines = LOCK_FILE.read_text(encoding="utf-8").splitlines()
    jars = []
    for line in lines:
        if line and not line.startswith("#"):
            sha256, size, coordinate = line.split()
            jars.append(Jar(sha256, int(size), *coordinate.split(":")))
    return jars


def kafka_version() -> str:
    """The broker's version, as the lock file pins it."""
    return next(jar.version for jar in locked_jars() if jar.artifact == "kafka-clients")


def class_path(progress: Callable[[str], None], directory: Path | None = None, repository: str | None = None) -> str:
    """Fetch what is missing or broken and give the broker's class path.

    Needs no network when every jar is there already.

    Args:
        progress: told what is being fetched.
        directory: where the jars are kept; the checkout's folder by default.
        repository: address of the Maven repository; `$POSTPAY_DEV_MAVEN` or the public one by default.

    Raises:
        DevstackError: a jar cannot be fetched or is not the one the lock file names.
    """
    directory = directory or jar_directory()
    repository = repository or maven_repository()
    directory.mkdir(parents=True, exist_ok=True)
    jars = locked_jars()
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [jar for jar in jars if not jar.is_at(directory / jar.file_name)]
        if missing:
            _fetch_all(missing, directory, repository, progress)
    return ":".join(str(directory / jar.file_name) for jar in jars)


def _fetch_all(jars: Sequence[Jar], directory: Path, repository: str | None, progress: Callable[[str], None]) -> None:
    total_mb = sum(jar.size_bytes for jar in jars) / 1e6
    done_mb = 0.0
    progress(f"fetching Kafka, {len(jars)} jars, {total_mb:.0f} MB")
    scratch = Path(tempfile.mkdtemp(prefix="incoming-", dir=directory))
    pool = ThreadPoolExecutor(PARALLEL_DOWNLOADS)
    try:
        downloads = {pool.submit(_fetch, jar, scratch, directory, repository): jar for jar in jars}
        for download in as_completed(downloads):
            download.result()
            done_mb += downloads[download].size_bytes / 1e6
            progress(f"fetching Kafka, {done_mb:.0f} of {total_mb:.0f} MB")
    finally:
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(scratch, ignore_errors=True)


def _fetch(jar: Jar, scratch: Path, directory: Path, repository: str | None) -> None:
    # Imported late: jgo takes 0.3 s to import and is of no use when every jar is there.
    from jgo.maven import MavenContext  # noqa: PLC0415

    remote = {"repository": repository.rstrip("/")} if repository else None
    maven = MavenContext(repo_cache=scratch, remote_repos=remote, timeout=DOWNLOAD_TIMEOUT_S)
    try:
        fetched = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except Exception as error:
        # jgo passes on whatever its HTTP client raises, and RuntimeError for a jar the repository does not have.
        msg = (
            f"could not fetch {jar.group}:{jar.artifact}:{jar.version} ({_first_line(error)}); "
            f"check the network, or name a mirror in POSTPAY_DEV_MAVEN, and run the command again; "
            f"what was fetched already is kept"
        )
        raise DevstackError(msg) from error
    if not jar.is_at(fetched):
        msg = (
            f"{jar.group}:{jar.artifact}:{jar.version} was fetched with SHA-256 {_sha256(fetched)}, expected "
            f"{jar.sha256} (devstack/kafka.jars); something between here and the repository alters files: not used"
        )
        raise DevstackError(msg)
    fetched.replace(directory / jar.file_name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def resolve(version: str) -> Iterable[str]:
    """Give the lines of the lock file for a Kafka version, resolved and fetched anew."""
    from jgo.env import EnvironmentBuilder  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    # kafka-clients is named because the resolver otherwise takes an old version that a parent POM manages; slf4j-simple
    # is the smallest logger that says why a broker ended.
    endpoint = f"org.apache.kafka:kafka_2.13:{version}+org.apache.kafka:kafka-clients:{version}"
    endpoint += "+org.slf4j:slf4j-simple:1.7.36"
    yield f"# Kafka {version}: SHA-256, size in bytes, Maven coordinate. Made by: python -m devstack.jars {version}"
    with tempfile.TemporaryDirectory() as scratch:
        repository = Path(scratch, "repository")
        builder = EnvironmentBuilder(context=MavenContext(repo_cache=repository), cache_dir=Path(scratch, "cache"))
        builder.from_endpoint(endpoint)
        used = {jar.name for jar in Path(scratch, "cache").rglob("*.jar")}
        for jar in sorted(repository.rglob("*.jar")):
            if jar.name in used:
                *group, artifact, found_version, _ = jar.relative_to(repository).parts
                yield f"{_sha256(jar)} {jar.stat().st_size} {'.'.join(group)}:{artifact}:{found_version}"


if __name__ == "__main__":
    for resolved_line in resolve(sys.argv[1]):
        print(resolved_line)
