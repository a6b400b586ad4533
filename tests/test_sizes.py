"""The sizes that the style asks for, which no linter counts: of functions, of modules, and that all is annotated."""

import ast
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("search", "ingestion", "ragsite", "embedded")
LONGEST_FUNCTION = 50
LONGEST_MEDIAN = 12
LONGEST_MODULE = 400


@dataclass(frozen=True)
class Function:
    place: str
    node: ast.FunctionDef | ast.AsyncFunctionDef

    @property
    def lines(self) -> int:
        """From `def` to the end, docstring and blank lines included."""
        return (self.node.end_lineno or self.node.lineno) - self.node.lineno + 1

    @property
    def unannotated(self) -> list[str]:
        arguments = self.node.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
        missing = [argument.arg for argument in (*named, *starred) if argument.annotation is None]
        missing = [name for name in missing if name not in ("self", "cls")]
        return missing if self.node.returns is not None else [*missing, "return"]


@lru_cache(maxsize=1)
def modules() -> dict[str, str]:
    """The source of each module by its path from the root, but for migrations, which Django writes."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {
        str(path.relative_to(ROOT)): path.read_text("utf-8")
        for path in paths
        if "migrations" not in path.parts
    }


@lru_cache(maxsize=1)
def functions() -> tuple[Function, ...]:
    return tuple(
        Function(f"{name}:{node.lineno} {node.name}", node)
        for name, source in modules().items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_no_function_is_longer_than_the_limit() -> None:
    long = {item.place: item.lines for item in functions() if item.lines > LONGEST_FUNCTION}
    assert long == {}


def test_the_median_function_is_short() -> None:
    assert median(item.lines for item in functions()) <= LONGEST_MEDIAN


def test_no_module_is_longer_than_the_limit() -> None:
    lengths = {name: source.count("\n") for name, source in modules().items()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_every_function_is_annotated() -> None:
    assert {item.place: item.unannotated for item in functions() if item.unannotated} == {}


def test_every_module_opens_with_a_docstring_of_one_to_five_lines() -> None:
    wrong = {}
    for name, source in modules().items():
        docstring = ast.get_docstring(ast.parse(source), clean=False)
        lines = len([line for line in (docstring or "").splitlines() if line.strip()])
        if source.strip() and not 1 <= lines <= 5:
            wrong[name] = lines
    assert wrong == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_has_a_name_that_says_nothing(package: str) -> None:
    nothing = {"utils.py", "helpers.py", "base.py", "constants.py"}
    assert [name for name in modules() if name.startswith(f"{package}/") and Path(name).name in nothing] == []
