"""Options: fields of configurations that are also flags of the command line, each declared once."""

from __future__ import annotations

import dataclasses
import operator
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import user_path
from mtdnn_tf.text_tables import csv_table, markdown_table

_KEY = "option"
_T = TypeVar("_T", bound="Options")
_PARSERS: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str, "Path": user_path}
# Types of values: the class, and what messages call one value and several.
_TYPES: dict[str, tuple[Any, str, str]] = {
    "bool": (bool, "true or false", "true or false"),
    "int": (int, "an integer", "integers"),
    "float": ((int, float), "a number", "numbers"),
    "str": (str, "text", "texts"),
    "Path": (Path, "a path", "paths"),
}
# The size of a dimension in TensorFlow. Options without an upper bound have this one.
LARGEST_INTEGER = 2**31 - 1
_BOUNDS = {
    "above": (">", operator.gt),
    "at_least": (">=", operator.ge),
    "below": ("<", operator.lt),
    "at_most": ("<=", operator.le),
}


@dataclasses.dataclass(frozen=True)
class Option:
    """Declaration of one option."""

    help: str  # One line for `--help` and the tables of the documentation.
    name: str = ""  # Of the flag, and in files; that of the field by default.
    choices: tuple[str, ...] = ()  # Accepted values; empty for any.
    at_least: float | None = None  # Bounds of a number, or of each number of a tuple.
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    decides_weights: bool = True  # Whether a run with another value would end with other weights: it is not continued.
    is_repeated: bool = False  # Whether a tuple is given by repeating the flag, not as a comma-separated list.
    is_kept_by_runs: bool = False  # Whether commands that take a trained run use the run's value where none is given.
    accepts_auto: bool = False  # Whether the flag takes `auto`, which stands for None.
    unset: str = ""  # What the default means, if its value does not show it.
    type: str = ""  # The field's annotation.
    default: Any = None

    @property
    def is_tuple(self) -> bool:
        """Whether there may be several values."""
        return self.type.startswith("tuple")

    @property
    def value_type(self) -> str:
        """Type of a value: "bool", "int", "float", "str" or "Path"."""
        return self.type.partition(" | ")[0].replace("tuple[", "").replace(", ...]", "")

    @property
    def shown_default(self) -> str:
        """The default as documentation shows it."""
        return self.unset or (str(self.default).lower() if self.value_type == "bool" else shown(self.default))

    def parse(self, text: Iterable[str]) -> tuple[Any, ...]:
        """Returns the values of a tuple, or raises UserError."""
        return parse_list(self.name, text, self.value_type)

    def check(self, value: Any) -> None:
        """Raises UserError for a value of another type, not one of the choices, out of bounds, or of several lines."""
        if value is None:
            return
        items = value if isinstance(value, tuple) and self.is_tuple else (value,)
        accepted, what = _TYPES[self.value_type][0], _TYPES[self.value_type][1 + self.is_tuple]
        for item in items:
            if not isinstance(item, accepted) or (isinstance(item, bool) and accepted is not bool):
                raise UserError(f"`{self.name}` must be {what}, got {item!r}")
            if isinstance(item, (str, Path)) and not is_flag_text(str(item)):
                raise UserError(f"`{self.name}` must be UTF-8 text without control characters, got {item}")
            if self.choices and item not in self.choices:
                raise unknown_name(f"`{self.name}`", item, self.choices)
        bounds = {bound: getattr(self, bound) for bound in _BOUNDS if getattr(self, bound) is not None}
        if not all(_BOUNDS[bound][1](item, limit) for item in items for bound, limit in bounds.items()):
            limits = " and ".join(f"{_BOUNDS[bound][0]} {limit}" for bound, limit in bounds.items())
            raise UserError(f"`{self.name}` must be {what} {limits}, got {shown(value)}")
        if self.value_type == "int" and self.at_most is None and any(item > LARGEST_INTEGER for item in items):
            raise UserError(f"`{self.name}` must be {what} <= {LARGEST_INTEGER}, got {shown(value)}")


def option(default: Any, help: str, **declared: Any) -> Any:
    """Returns a dataclass field that is an option; `declared` are other attributes of `Option`."""
    return dataclasses.field(default=default, metadata={_KEY: Option(help, **declared)})


def is_flag_text(text: str) -> bool:
    """Returns whether a text can be a line of a flagfile: UTF-8 without control characters."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def shown(value: Any) -> str:
    """Returns a value as flags, messages and documentation show it; a tuple is comma-separated."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def parse_list(name: str, text: Iterable[str], value_type: str = "float") -> tuple[Any, ...]:
    """Returns the values of a comma-separated list, the items `text` of the flag `name`.

    Args:
        name: Name of the flag, for the UserError of an item that is not of the type.
        text: The items.
        value_type: "int", "float", "str" or "Path". Defaults to "float".
    """
    items = tuple(text)
    try:
        values = tuple(_PARSERS[value_type](item) for item in items)
    except ValueError:
        raise UserError(f"`{name}` must be comma-separated {_TYPES[value_type][2]}, got {','.join(items)}") from None
    if value_type == "int" and any(value > LARGEST_INTEGER for value in values):
        raise UserError(f"`{name}` must be comma-separated integers <= {LARGEST_INTEGER}, got {','.join(items)}")
    return values


class Options:
    """Base of frozen dataclasses whose fields are options, or groups of options with a default.

    A subclass that checks more than single values extends `__post_init__`.

    Raises:
        UserError: A value is not accepted.
    """

    def __post_init__(self) -> None:
        for field, declared in _own_options(type(self)).items():
            declared.check(getattr(self, field))

    @classmethod
    def declared(cls) -> dict[str, Option]:
        """Returns the options by name, those of groups included."""
        found: dict[str, Option] = {}
        own = _own_options(cls)
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]
            if field.name in own:
                found[own[field.name].name] = own[field.name]
            elif isinstance(field.default, Options):
                found.update(field.default.declared())
        return found

    @classmethod
    def build(cls: type[_T], **values: Any) -> _T:
        """Returns a configuration from the values of options by name; others have their default.

        Args:
            **values: Values of options of this class and its groups, and of its fields that are no options and have no
                default.
        """
        return cls._make(None, values)

    @classmethod
    def check_names(cls, names: Iterable[str]) -> None:
        """Refuses a name that no option has, for values that users give by name."""
        for name in names:
            if name not in cls.declared():
                raise unknown_name("option", name, cls.declared())

    def replace(self: _T, **changes: Any) -> _T:
        """Returns the configuration with other values of options, by name, in any group."""
        return type(self)._make(self, changes)

    @classmethod
    def _make(cls: type[_T], current: _T | None, values: dict[str, Any]) -> _T:
        left = dict(values)
        config = cls._take(current, left)
        if left:
            raise TypeError(f"{cls.__name__} has no options {', '.join(left)}")
        return config

    @classmethod
    def _take(cls: type[_T], current: _T | None, values: dict[str, Any]) -> _T:
        """Returns a configuration with the values that it has options for, which it removes from `values`."""
        own, arguments = _own_options(cls), {}
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]
            value = field.default if current is None else getattr(current, field.name)
            if isinstance(value, Options):
                value = value._take(value, values)
            elif field.name in own or value is dataclasses.MISSING:
                value = values.pop(own[field.name].name if field.name in own else field.name, value)
            if value is not dataclasses.MISSING:
                arguments[field.name] = value
        return cls(**arguments)

    def values(self) -> dict[str, Any]:
        """Returns the values of all options by name."""
        return {option.name: value for option, value in self._items()}

    def _items(self) -> Iterator[tuple[Option, Any]]:
        own = _own_options(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.name in own:
                yield own[field.name], value
            elif isinstance(field.default, Options):
                yield from value._items()

    def decisive_fields(self) -> dict[str, Any]:
        """Returns, as JSON values by name, the options that decide a run's weights."""
        return {
            option.name: list(value) if isinstance(value, tuple) else value
            for option, value in self._items()
            if option.decides_weights
        }

    def to_flagfile(self) -> str:
        """Returns a flagfile with every option that has a value."""
        lines = []
        for option, value in self._items():
            if isinstance(value, bool):
                lines.append(f"--{'' if value else 'no'}{option.name}\n")
            elif option.is_repeated:
                lines += [f"--{option.name}={_written(item)}\n" for item in value]
            elif option.is_tuple and value is not None and (value or option.default):
                lines.append(f"--{option.name}={csv_table([list(map(_written, value))])}")
            elif value is not None and value != ():
                lines.append(f"--{option.name}={_written(value)}\n")
        return "".join(lines)


def _written(item: Any) -> str:
    """Returns an item as a flagfile has it; in a path, a leading ~ and spaces at the ends are kept from absl."""
    text = str(item)
    if isinstance(item, Path):
        text = f"./{text}" if text[0].isspace() or text[0] == "~" else text
        text = f"{text}/" if text[-1].isspace() else text
    return text


def _own_options(cls: type) -> dict[str, Option]:
    """Returns the options that are fields of a class itself, by the field's name."""
    return {
        field.name: dataclasses.replace(
            field.metadata[_KEY], name=field.metadata[_KEY].name or field.name, type=field.type, default=field.default
        )
        for field in dataclasses.fields(cls)
        if _KEY in field.metadata
    }


def options_table(options: Collection[Option]) -> str:
    """Returns the Markdown table of options that documentation shows."""
    rows = [("option", "default", "meaning")]
    for declared in options:
        choices = f" ({', '.join(f'`{choice}`' for choice in declared.choices)})" if declared.choices else ""
        rows.append((f"`--{declared.name}`", declared.shown_default, f"{declared.help.rstrip('.')}{choices}"))
    return markdown_table(rows, num_text_columns=3)
