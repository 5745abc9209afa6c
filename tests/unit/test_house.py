"""The house in order: sizes, names and lists that no linter holds. Each finding says what to do about it."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = sorted(file.parent.name for file in ROOT.glob("*/__init__.py"))
(LAYERS,) = [
    contract["layers"]
    for contract in PROJECT["tool"]["importlinter"]["contracts"]
    if contract["type"] == "layers" and "containers" not in contract
]
NEIGHBOURS = [layer.replace(" ", "").split("|") for layer in LAYERS]
"""Packages of one layer, which don't know each other."""

FILE_LINES = 450
FUNCTION_LINES = 60

NOT_SHIPPED = {"benchmarks": "it measures a checkout, with packages of the test extra"}
"""Packages that are not in the wheel, with the reason."""
MESSAGES_OF_THE_CORE = ("settlement/messages/", "settlement/outputs.py")
"""A message's model in contracts bears the name of its value here: they are one thing on both sides of the wire."""

MACHINE_PATH = re.compile(r"(?<![\w.)])/(?:home|Users|root|work)/\w")
REGISTRY = re.compile(
    r"pypi\.(?:org|python)|pythonhosted\.|repo1?\.maven|npmjs\.|(?:^|\s)--(?:extra-)?index-url", re.MULTILINE
)


def test_every_package_that_knows_postpay_has_a_layer():
    assert {"devstack", "settlement", "workers"} <= set(PACKAGES)
    in_layers = {each for packages in NEIGHBOURS for each in packages}
    assert in_layers == {*PACKAGES} - {"devstack"}, "give each package its place in the first contract of importlinter"


def test_no_package_is_over_a_third_of_the_product():
    lines = {name: sum(map(line_count, (ROOT / name).rglob("*.py"))) for name in PACKAGES}
    total = sum(lines.values())
    found = [
        f"{name} has {count} of {total} lines: move what has a subject of its own into a package"
        for name, count in lines.items()
        if count * 3 > total
    ]
    assert found == []


def test_no_file_is_too_long():
    found = [
        f"{name(file)} has {line_count(file)} lines, {FILE_LINES} are allowed: split it by subject"
        for file in files("*.py", "*.sql")
        if line_count(file) > FILE_LINES
    ]
    assert found == []


def test_no_function_is_too_long():
    found = []
    for file in files("*.py"):
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                where = f"{node.name} in {name(file)}"
                if lines > FUNCTION_LINES:
                    found.append(f"{where} has {lines} lines, {FUNCTION_LINES} are allowed: give its parts names")
    assert found == []


def test_no_two_packages_have_a_public_class_of_one_name():
    places: dict[str, set[str]] = defaultdict(set)
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in tree(file).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].add(name(file))
    found = [
        f"{each} is defined in {' and '.join(sorted(where))}: call each by what it is"
        for each, where in sorted(places.items())
        if len({file.partition("/")[0] for file in where}) > 1 and not is_one_message(where)
    ]
    assert found == []


def is_one_message(where: set[str]) -> bool:
    in_contracts = {file for file in where if file.startswith("contracts/")}
    return bool(in_contracts) and all(file.startswith(MESSAGES_OF_THE_CORE) for file in where - in_contracts)


@pytest.mark.parametrize("packages", NEIGHBOURS, ids=" | ".join)
def test_no_two_modules_are_told_apart_by_a_plural_s(packages):
    places: dict[str, set[str]] = defaultdict(set)
    for package in packages:
        for file in (ROOT / package).rglob("*.py"):
            module = file.parent if file.name == "__init__.py" else file.with_suffix("")
            if module != ROOT / package:
                places[module.name].add(name(module))
    found = [
        f"{' and '.join(sorted(where | places[each + 's']))}: one letter tells them apart; name one by what it holds"
        for each, where in sorted(places.items())
        if any(not inside.startswith(f"{package}/") for inside in where for package in places.get(each + "s", ()))
    ]  # a package may hold a module of its own subject: lanes/lane.py is one lane
    assert found == []


def test_every_package_is_shipped_checked_and_sorted():
    tools = PROJECT["tool"]
    lists = {
        "tool.hatch.build.targets.wheel.packages": (
            tools["hatch"]["build"]["targets"]["wheel"]["packages"],
            set(PACKAGES) - set(NOT_SHIPPED),
        ),
        "tool.mypy.packages": (tools["mypy"]["packages"], set(PACKAGES)),
        "tool.importlinter.root_packages": (tools["importlinter"]["root_packages"], set(PACKAGES)),
        "tool.ruff.lint.isort.known-first-party": (
            tools["ruff"]["lint"]["isort"]["known-first-party"],
            {*PACKAGES, "tests"},
        ),
    }
    found = [
        f"{key} in pyproject.toml: expected {sorted(wanted)}, found {listed}; name each package there"
        for key, (listed, wanted) in lists.items()
        if sorted(listed) != sorted(wanted)
    ]
    assert found == []


def test_nothing_names_a_package_registry_or_a_path_of_one_machine():
    found = [
        f"{name(file)} has {match.group().strip()!r}: leave it to the settings of whoever runs it"
        for file in files("*")
        for pattern in (MACHINE_PATH, REGISTRY)
        for match in pattern.finditer(file.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_what_names_a_registry_or_a_machine_is_known():
    assert MACHINE_PATH.search("see /" + "home/me/postpay")
    assert MACHINE_PATH.search('path = "/' + 'work/main"')
    assert not MACHINE_PATH.search("docs/home/page, https://example.com/home/page")
    assert REGISTRY.search("https://pypi." + "org/simple")
    assert REGISTRY.search("pip install --" + "index-url x")


def files(*patterns: str) -> Iterator[Path]:
    """Files of the repository, but for those of tools and people, which begin with a dot or lie in such a folder."""
    for pattern in patterns:
        for file in ROOT.rglob(pattern):
            inside = file.relative_to(ROOT).parts
            if file.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in inside):
                yield file


def line_count(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))
