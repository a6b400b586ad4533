"""Queries of the hot path, compiled once: Django takes a millisecond to build what the database answers in a
tenth of one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.sql.compiler import SQLCompiler

_SMALLEST_LIST = 16
_FIRST_NUMBER = -2_000_000_000  # stand-ins that no row has


class PreparedQuery:
    """A `values_list` queryset whose parameters, integers or strings, are filled in per call.

    `build` takes each parameter by name and passes it to the queryset unchanged. A parameter in `lists` is a list of at
    least one value; it is filled up to a power of two by repeating one, so that few forms are compiled.
    """

    def __init__(self, build: Callable[..., "QuerySet[Any, Any]"], *, lists: Sequence[str] = ()) -> None:
        self._build = build
        self._lists = lists
        self._compiled: dict[tuple[str, int], _Compiled] = {}

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """The rows for these values, converted as the queryset's would be."""
        size = max((_size(len(values[name])) for name in self._lists), default=0)
        values |= {name: _filled(values[name], size) for name in self._lists}
        compiled = self._compiled.get((connection.vendor, size))
        if compiled is None:  # two threads may both compile: the outcome is the same
            compiled = self._compiled[connection.vendor, size] = _compile(self._build, values)
        return compiled.rows(_flat(values))


class _Compiled:
    """SQL, the parameter (or its constant) for each of its places, and the converters of its columns."""

    def __init__(self, compiler: SQLCompiler, names: Mapping[Any, str]) -> None:
        self._sql, parameters = compiler.as_sql()
        self._places = [(names.get(value), value) for value in parameters]
        self._converters = compiler.get_converters([column for column, _, _ in compiler.select])

    def rows(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        parameters = [constant if name is None else values[name] for name, constant in self._places]
        with connection.cursor() as cursor:
            cursor.execute(self._sql, parameters)
            rows = cursor.fetchall()
        return [self._converted(row) for row in rows] if self._converters else rows

    def _converted(self, row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row)
        for position, (converters, expression) in self._converters.items():
            if values[position] is None:  # every converter leaves it so
                continue
            for convert in converters:
                values[position] = convert(values[position], expression, connection)
        return tuple(values)


def _compile(build: Callable[..., "QuerySet[Any, Any]"], values: Mapping[str, Any]) -> _Compiled:
    names: dict[Any, str] = {}
    stand_ins: dict[str, Any] = {}
    for name, value in _flat(values).items():
        stand_in = _FIRST_NUMBER + len(names) if isinstance(value, int) else f"stand-in {name}"
        names[stand_in] = name
        stand_ins[name] = stand_in
    arguments = {
        name: [stand_ins[f"{name}.{n}"] for n in range(len(value))]
        if isinstance(value, list)
        else stand_ins[name]
        for name, value in values.items()
    }
    return _Compiled(build(**arguments).query.get_compiler(connection=connection), names)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Each value by a name of its own: those of a list are `name.0`, `name.1` and so on."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= (
            {f"{name}.{n}": item for n, item in enumerate(value)}
            if isinstance(value, list)
            else {name: value}
        )
    return flat


def _size(length: int) -> int:
    size = _SMALLEST_LIST
    while size < length:
        size *= 2
    return size


def _filled(values: Sequence[Any], size: int) -> list[Any]:
    return [*values, *[values[0]] * (size - len(values))]
