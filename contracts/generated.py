"""Files made from code, such as docs/states.md: `--write` makes them, `--check` tells whether that is needed."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class GeneratedFiles:
    """The files of one generator, which is a module to be run.

    Args:
        module: name of the generator, as after `python -m`.
        files: what each of them should hold.
        strays: files beside them that nothing makes any more.
    """

    module: str
    files: Mapping[Path, str]
    strays: Sequence[Path] = ()

    def out_of_date(self) -> list[Path]:
        """Files that are missing, differ, or are strays."""
        differing = [path for path, text in self.files.items() if not path.exists() or path.read_text("utf-8") != text]
        return [*differing, *self.strays]

    def write(self) -> None:
        """Bring all of them up to date."""
        for path in self.strays:
            path.unlink()
        for path, text in self.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def run(self, arguments: Sequence[str]) -> int:
        """Do as the command line says; returns the exit code."""
        match arguments:
            case ["--write"]:
                self.write()
                return 0
            case ["--check"]:
                stale = self.out_of_date()
                for path in stale:
                    sys.stderr.write(f"{path} is out of date: run python -m {self.module} --write\n")
                return 1 if stale else 0
            case _:
                sys.stderr.write(f"usage: python -m {self.module} --check | --write\n")
                return 2
