"""Tries mutants: `script/mutation [MODULE…]`, which see. Mutants come from mutants.py, one a line."""

import argparse
import json
import sys
import time
import tomllib
from pathlib import Path

from tests.mutation.layers import Case, Layer, Layers, Mutant, golden_histories, model_histories, with_unit_tests
from tests.mutation.report import Tally, survivors, table

ROOT = Path(__file__).parents[2]
UNIT_TESTS = ROOT / "tests" / "unit" / "settlement"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
"""Mutants that make no difference, each with the reason: they are not tried, and not counted in the share."""

HISTORIES = 100
"""On which core and model are compared."""
PROGRESS_S = 15


def main() -> int:
    """Try every mutant, tell progress, and print what became of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=main.__doc__)
    parser.add_argument("mutants", type=Path, help="file of mutants, made by tests/mutation/mutants.py")
    parser.add_argument("report", type=Path, help="where the report is written as well")
    asked = parser.parse_args()
    began = time.monotonic()
    mutants = [Mutant(**json.loads(line)) for line in asked.mutants.read_text(encoding="utf-8").splitlines()]
    tallies = {mutant.file: Tally(mutant.file) for mutant in mutants}
    unknown = _set_apart(mutants, tallies)
    code = with_unit_tests(UNIT_TESTS, lambda unit_tests: _try_all(unit_tests, mutants, tallies))
    if code:
        return code
    found = list(tallies.values())
    text = "\n\n".join(filter(None, [table(found), survivors(found)]))
    asked.report.write_text(f"{text}\n", encoding="utf-8")
    print(f"\n{text}\n\n{time.monotonic() - began:.0f} s; also in {asked.report}")
    for each in unknown:
        _tell(f"{EQUIVALENT.name}: there is no such mutant any more, take it out: {each}")
    return 1 if unknown else 0


def _set_apart(mutants: list[Mutant], tallies: dict[str, Tally]) -> list[str]:
    """Take out of the mutants those that make no difference; returns those of the list that are none any more."""
    known = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    wanted = {(each["file"], each["function"], each["change"].strip()) for each in known if each["file"] in tallies}
    found = set()
    for mutant in list(mutants):
        key = (mutant.file, mutant.function, mutant.change)
        if key in wanted:
            found.add(key)
            mutants.remove(mutant)
            tallies[mutant.file].equivalent += 1
    return [" ".join(key) for key in sorted(wanted - found)]


def _try_all(unit_tests: list[Case], mutants: list[Mutant], tallies: dict[str, Tally]) -> None:
    _tell(f"{len(unit_tests)} unit tests, {HISTORIES} histories and the golden ones are run without a mutant")
    layers = Layers(sorted({mutant.module for mutant in mutants}))
    layers.rehearse(Layer.UNIT, unit_tests)
    layers.rehearse(Layer.MODEL, model_histories(HISTORIES))
    layers.rehearse(Layer.GOLDEN, golden_histories())
    for file in tallies:
        layers.check_that_nothing_kills_what_is_as_it_was(file)
    _tell(f"{len(mutants)} mutants are tried")
    told_at = began = time.monotonic()
    for number, mutant in enumerate(mutants, start=1):
        tallies[mutant.file].count(mutant, layers.killer_of(mutant))
        if time.monotonic() - told_at > PROGRESS_S:
            told_at = time.monotonic()
            left = sum(len(each.survivors) for each in tallies.values())
            _tell(f"{number} of {len(mutants)} in {told_at - began:.0f} s, {left} survived; at {mutant.file}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
