"""The file of the page's users: names, roles, hashes of passwords. Read anew whenever it has changed.

It is JSON, `{"users": {"NAME": {"role": "operator", "password": "scrypt$…"}}}`. A user without a password can only come
through the proxy that is trusted to say who somebody is.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.access import Role
from console.login.passwords import is_hash

LONGEST_NAME = 100


class UsersFileError(Exception):
    """The file can't be used; says where and why."""


@dataclass(frozen=True, slots=True)
class ConsoleUser:
    """Somebody who may log in."""

    name: str
    role: Role
    password: str | None = None


class UsersFile:
    """The users in a file.

    Args:
        path: it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._users: Mapping[str, ConsoleUser] = {}

    def users(self) -> Mapping[str, ConsoleUser]:
        """Everybody, by name; as the file is now.

        Raises:
            UsersFileError: it can't be read, or is not what it must be.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UsersFileError(f"{self._path} can't be read: {error.strerror}") from error
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._stamp:
            self._users = _parse(self._path)
            self._stamp = stamp
        return self._users

    def put(self, user: ConsoleUser) -> None:
        """Add a user, or change one."""
        self._write({**self.users(), user.name: user})

    def remove(self, name: str) -> bool:
        """Take a user out; whether there was one."""
        left = {**self.users()}
        found = left.pop(name, None)
        self._write(left)
        return found is not None

    def _write(self, users: Mapping[str, ConsoleUser]) -> None:
        """Write the file whole, readable for its owner alone."""
        document = {
            "users": {
                name: {"role": user.role.value} | ({} if user.password is None else {"password": user.password})
                for name, user in sorted(users.items())
            }
        }
        try:
            handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=2, ensure_ascii=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except OSError as error:
            raise UsersFileError(f"{self._path} can't be written: {error.strerror}") from error


def require_name(name: str) -> str:
    """A name that a user may have.

    Raises:
        UsersFileError: it is none.
    """
    if not (0 < len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip()):
        raise UsersFileError(f"expected a name of 1 to {LONGEST_NAME} characters that can be seen, got {name!r}")
    return name


def _parse(path: Path) -> dict[str, ConsoleUser]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsersFileError(f"{path} can't be read: {error}") from error
    users = document.get("users") if isinstance(document, dict) else None
    if not isinstance(users, dict):
        raise UsersFileError(f'{path}: expected a JSON object with "users"; see: postpay console user add')
    return {name: _user(path, name, entry) for name, entry in users.items()}


def _user(path: Path, name: str, entry: Any) -> ConsoleUser:
    role = str(entry.get("role")) if isinstance(entry, dict) else ""
    if role not in {*Role}:
        raise UsersFileError(f"{path}: expected a role ({', '.join(Role)}) of {name!r}, got {role!r}")
    password = entry.get("password")
    if password is not None and not (isinstance(password, str) and is_hash(password)):
        raise UsersFileError(f"{path}: the password of {name!r} is no hash; see: postpay console user add")
    return ConsoleUser(require_name(name), Role(role), password)
