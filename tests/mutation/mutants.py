"""Makes the mutants of modules: `python mutants.py FILE…` prints one a line, as JSON. Runs in mutmut's environment.

mutmut says what is changed. Its changes never leave out a call that nobody takes the result of, nor a bound or a
condition, and what it makes of arguments mostly ends with a TypeError; so four kinds of change are added.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from difflib import unified_diff
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode


def without_call(node: cst.SimpleStatementLine) -> Iterable[cst.SimpleStatementLine]:
    """`draft.post(…)` as a statement: left out."""
    if m.matches(node, m.SimpleStatementLine(body=[m.Expr(m.Call())])):
        yield node.with_changes(body=[cst.Pass()])


def one_of_bounds(node: cst.Call) -> Iterable[cst.BaseExpression]:
    """`max(a, b)`: either one alone."""
    if m.matches(node, m.Call(func=m.Name("min") | m.Name("max"))) and len(node.args) > 1:
        for argument in node.args:
            yield argument.value


def one_of_conditions(node: cst.BooleanOperation) -> Iterable[cst.BaseExpression]:
    """`a and b`: either one alone."""
    parenthesised = {"lpar": [cst.LeftParen()], "rpar": [cst.RightParen()]}
    yield node.left.with_changes(**parenthesised)
    yield node.right.with_changes(**parenthesised)


def never_or_always(node: cst.If | cst.CompIf) -> Iterable[cst.CSTNode]:
    """`if a:` and `… for … if a`: whatever a says."""
    for literal in ("True", "False"):
        yield node.with_changes(test=cst.Name(literal), whitespace_before_test=cst.SimpleWhitespace(" "))


OPERATORS = [
    *mutation_operators,
    (cst.SimpleStatementLine, without_call),
    (cst.Call, one_of_bounds),
    (cst.BooleanOperation, one_of_conditions),
    (cst.If, never_or_always),
    (cst.CompIf, never_or_always),
]


def mutants_of(file: Path) -> Iterator[dict[str, str | int]]:
    """The mutants of a module's functions and methods, each once, in the order of lines."""
    source = file.read_text(encoding="utf-8")
    tree = MetadataWrapper(cst.parse_module(source))
    visitor = MutationVisitor(OPERATORS, IgnoredCode(set(), set(), set()))
    tree.visit(visitor)
    positions, parents = tree.resolve(PositionProvider), tree.resolve(ParentNodeProvider)
    known = {_without_strict(source)}
    for mutation in visitor.mutations:
        function = mutation.contained_by_top_level_function
        if not isinstance(function, cst.FunctionDef):
            continue  # what a module or class says as it is imported
        mutated = tree.module.deep_replace(mutation.original_node, mutation.mutated_node).code
        if _without_strict(mutated) in known:
            continue
        known.add(_without_strict(mutated))
        yield {
            "file": str(file),
            "function": _qualified(function, parents),
            "line": positions[mutation.original_node].start.line,
            "change": _change(source, mutated),
            "source": mutated,
        }


def _without_strict(source: str) -> str:
    """The same but for `zip(…, strict=True)`, which says what must be and never decides anything."""
    return re.sub(r", (strict=\w+)?\)", ")", source)


def _qualified(function: cst.FunctionDef, parents: dict[cst.CSTNode, cst.CSTNode]) -> str:
    block = parents[function]
    around = parents[block] if not isinstance(block, cst.Module) else None
    return f"{around.name.value}.{function.name.value}" if isinstance(around, cst.ClassDef) else function.name.value


def _change(source: str, mutated: str) -> str:
    """Lines that go and come, each after its sign, without indentation."""
    lines = list(unified_diff(source.splitlines(), mutated.splitlines(), n=0, lineterm=""))[2:]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines if not line.startswith("@@"))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for mutant in mutants_of(Path(name)):
            print(json.dumps(mutant))
