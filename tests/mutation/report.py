"""What became of mutants: by module, and each that nobody killed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.mutation.layers import Layer, Mutant


@dataclass
class Tally:
    """What became of the mutants of one module."""

    file: str
    killed: Counter[Layer] = field(default_factory=Counter)
    equivalent: int = 0
    survivors: list[Mutant] = field(default_factory=list)

    def count(self, mutant: Mutant, killer: Layer | None) -> None:
        """Note who killed a mutant; None: nobody."""
        if killer is None:
            self.survivors.append(mutant)
        else:
            self.killed[killer] += 1

    @property
    def mutants(self) -> int:
        return self.killed.total() + self.equivalent + len(self.survivors)

    @property
    def share(self) -> float:
        """Of those that do make a difference, in percent."""
        different = self.mutants - self.equivalent
        return 100 * self.killed.total() / different if different else 100.0


def table(tallies: Iterable[Tally]) -> str:
    """A row for each module, in Markdown."""
    head = ["module", "mutants", *(f"killed by {layer}" for layer in Layer), "equivalent", "survived", "share killed"]
    rows = [
        [
            tally.file,
            str(tally.mutants),
            *(str(tally.killed[layer]) for layer in Layer),
            str(tally.equivalent),
            str(len(tally.survivors)),
            f"{tally.share:.1f} %",
        ]
        for tally in tallies
    ]
    return "\n".join(_row(row) for row in [head, ["---"] * len(head), *rows])


def survivors(tallies: Sequence[Tally]) -> str:
    """Each mutant that survived: where, what goes and what comes."""
    return "\n\n".join(
        f"{mutant.file}:{mutant.line} {mutant.function}\n{mutant.change}"
        for tally in tallies
        for mutant in tally.survivors
    )


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
