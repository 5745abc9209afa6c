"""What a mutant has to survive: unit tests, histories on which core and model agree, golden histories.

All of it is collected and drawn once. A mutant is tried in a child of this process, which swaps one function and runs
only what enters that function, what is quick first.
"""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from random import Random
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.property import golden
from tests.property.histories import history_of
from tests.property.properties import CoreAndModelAgree

PATIENCE = 20
"""A mutant may take so many times what the same run takes without it; then it is taken for one that never ends."""
LEAST_PATIENCE_S = 5

SURVIVED, DISPROVED = 0, 1


class Layer(StrEnum):
    """Who may kill a mutant, in the order in which they are asked."""

    UNIT = "unit tests"
    MODEL = "model"
    GOLDEN = "golden histories"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one function of a module."""

    file: str
    function: str
    line: int
    change: str
    """Lines that go and come, each after its sign."""
    source: str
    """The module with the change."""

    @property
    def module(self) -> str:
        return module_of(self.file)


def module_of(file: str) -> str:
    """The dotted name of a file's module."""
    return file.removesuffix(".py").replace("/", ".")


@dataclass(frozen=True, slots=True)
class Case:
    """A test or history."""

    name: str
    holds: Callable[[], bool]
    """Runs it; may raise what a broken core raises."""
    took_s: float = 0.0


@dataclass
class Layers:
    """Cases of each layer, and which functions each of them enters."""

    modules: list[str]
    cases: dict[Layer, list[Case]] = field(default_factory=dict)
    enters: dict[str, set[int]] = field(default_factory=dict)

    def rehearse(self, layer: Layer, cases: list[Case]) -> None:
        """Run cases without a mutant, and note what they enter and how long they take.

        Raises:
            AssertionError: one does not hold: then no mutant could be tried.
        """
        watched = {id(function.__code__) for module in self.modules for function in functions_of(module)}
        rehearsed = []
        for case in cases:
            began = time.perf_counter()
            with _entered(watched) as entered:
                assert case.holds(), f"{layer}: {case.name} does not hold without a mutant; mend that first"
            self.enters[case.name] = entered
            rehearsed.append(Case(case.name, case.holds, time.perf_counter() - began))
        gc.collect()
        gc.freeze()  # collecting in a child would copy all that it shares with this process
        self.cases[layer] = sorted(rehearsed, key=lambda case: case.took_s)

    def check_that_nothing_kills_what_is_as_it_was(self, file: str) -> None:
        """Swap a module's functions by themselves: what dies of that would be counted as killed by tests.

        Raises:
            AssertionError: it does.
        """
        source = Path(file).read_text(encoding="utf-8")
        for function in functions_of(module_of(file)):
            same = Mutant(file, function.__qualname__, 0, "", source)
            cases = [case for case in self.cases[Layer.UNIT] if id(function.__code__) in self.enters[case.name]]
            assert not _kills(cases[:3], same), f"{file}: {same.function} cannot be swapped"

    def killer_of(self, mutant: Mutant) -> Layer | None:
        """Try a mutant in a child process; None: it survived everything that enters its function."""
        code_id = id(function_named(sys.modules[mutant.module].__dict__, mutant.function).__code__)
        for layer in Layer:
            cases = [case for case in self.cases[layer] if code_id in self.enters[case.name]]
            if cases and _kills(cases, mutant):
                return layer
        return None


def _kills(cases: list[Case], mutant: Mutant) -> bool:
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status) != SURVIVED  # a signal too: it never ended
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LEAST_PATIENCE_S + int(PATIENCE * sum(case.took_s for case in cases)))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    verdict = DISPROVED
    try:
        _swap(mutant)
        if all(case.holds() for case in cases):
            verdict = SURVIVED
    finally:
        os._exit(verdict)  # whatever was raised


def _swap(mutant: Mutant) -> None:
    """Let a function do what the mutant does, for everyone who has imported it already."""
    module = sys.modules[mutant.module]
    mutated: dict[str, Any] = {"__name__": mutant.module, "__file__": mutant.file}
    exec(compile(mutant.source, mutant.file, "exec"), mutated)
    function, other = function_named(module.__dict__, mutant.function), function_named(mutated, mutant.function)
    function.__code__ = other.__code__
    function.__defaults__ = other.__defaults__
    function.__kwdefaults__ = other.__kwdefaults__


def functions_of(module: str) -> Iterator[FunctionType]:
    """Functions and methods that stand in a module's file; not those that its dataclasses were given."""
    found = import_module(module)
    for content in vars(found).values():
        inside = vars(content).values() if isinstance(content, type) else [content]
        for each in inside:
            function = getattr(each, "__func__", each)
            if isinstance(function, FunctionType) and function.__code__.co_filename == found.__file__:
                yield function


def function_named(contents: dict[str, Any], name: str) -> FunctionType:
    """The function, or the method of a class, of a module's contents."""
    of_class, _, own = name.rpartition(".")
    found = vars(contents[of_class])[own] if of_class else contents[own]
    return getattr(found, "__func__", found)


@contextmanager
def _entered(watched: set[int]) -> Iterator[set[int]]:
    """Note which code is entered."""
    entered: set[int] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code: CodeType = frame.f_code
        if event == "call" and id(code) in watched:
            entered.add(id(code))

    sys.setprofile(note)
    try:
        yield entered
    finally:
        sys.setprofile(None)


class Collected:
    """A plugin of pytest that collects, and then does something else than running all tests."""

    def __init__(self, then: Callable[[list[Case]], None]) -> None:
        self.then = then

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.then([Case(item.nodeid, lambda item=item: _passes(item)) for item in session.items])
        return True


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def with_unit_tests(folder: Path, then: Callable[[list[Case]], None]) -> int:
    """Collect the tests of a folder and do something with them; returns pytest's exit code."""
    quiet = ["--quiet", "--no-header", "--no-summary", "-p", "no:cacheprovider"]
    return int(pytest.main([*quiet, str(folder)], plugins=[Collected(then)]))


def model_histories(number: int) -> list[Case]:
    """Histories of seeds 0, 1, …, drawn while the core is whole."""
    cases = []
    for seed in range(number):
        history = history_of(Random(seed))
        cases.append(Case(f"history {seed}", lambda history=history: CoreAndModelAgree()(history) is None))
    return cases


def golden_histories() -> list[Case]:
    """The golden ones, each of which is to be decided as it is now."""
    cases = []
    for number, history in enumerate(golden.histories()):
        settled = golden.settled(history)
        cases.append(
            Case(
                f"golden history {number}",
                lambda history=history, settled=settled: golden.settled(history) == settled,
            )
        )
    return cases
