"""Values of a YAML file that know their lines, for error messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import yaml

from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.files import read_text

_MOST_DIGITS = 18  # Of an integer; Python converts 4,300.
_TRUTH = {"true": True, "false": False}


class YamlValue:
    """One value of a YAML file.

    Scalars are the text of the file: YAML would make booleans of labels such as yes and no.
    """

    def __init__(self, node: yaml.Node, path: Path, name: str, key: yaml.Node | None = None) -> None:
        """Holds a value of a key; `name` is what it is, for messages, such as "labels of task intent"."""
        self._node = node
        self._path = path
        self._name = name
        self.where = _place(path, key or node)
        self.is_text = isinstance(node, yaml.ScalarNode)
        self.is_mapping = isinstance(node, yaml.MappingNode)
        # Without quotes.
        self.is_null = self.is_text and bool(node.value) and node.tag == "tag:yaml.org,2002:null"

    def fields(
        self, accepted: Collection[str] = (), required: Collection[str] = (), naming: str = ""
    ) -> Mapping[str, YamlValue]:
        """Returns the values of a mapping by key: the `accepted` ones, any by default, with all `required` ones.

        `naming` is what the value of key {} is, for messages; "{} of" this value by default.
        """
        if not self.is_mapping:
            raise self.refused("`name: value` pairs")
        naming = naming or f"{{}} of {self._name}"
        fields: dict[str, YamlValue] = {}
        for key, value in self._node.value:
            where = _place(self._path, key)
            if not isinstance(key, yaml.ScalarNode) or not key.value:
                raise UserError(f"{where}: keys of {self._name} must be names, got {_shown(key)}")
            if key.value in fields:
                raise UserError(f"{where}: duplicate {key.value!r} in {self._name}")
            if accepted and key.value not in accepted:
                raise unknown_name(f"key of {self._name}", key.value, accepted, where)
            fields[key.value] = YamlValue(value, self._path, naming.replace("{}", key.value, 1), key)
        for key in required:
            if key not in fields:
                raise UserError(f"{self.where}: {self._name} must have `{key}:`, got {', '.join(fields) or 'no key'}")
        return fields

    def items(self) -> list[YamlValue]:
        """Returns the values of a list of one or more."""
        if not isinstance(self._node, yaml.SequenceNode) or not self._node.value:
            raise self.refused("a list of one or more, such as [a, b]")
        return [YamlValue(item, self._path, self._name) for item in self._node.value]

    def text(self) -> str:
        """Returns the value's text, which is printable and not empty."""
        if not self.is_text or not self._node.value or not self._node.value.isprintable():
            raise self.refused("printable text")
        return str(self._node.value)

    def texts(self) -> tuple[str, ...]:
        """Returns the different texts of a list."""
        texts: dict[str, YamlValue] = {}
        for item in self.items():
            if texts.setdefault(item.text(), item) is not item:
                raise UserError(f"{item.where}: duplicate {item.text()!r} in {self._name}")
        return tuple(texts)

    def number(self) -> float:
        """Returns the value's number."""
        try:
            return float(self.text())
        except ValueError:
            raise self.refused("a number") from None

    def integer(self) -> int:
        """Returns the value's integer."""
        if not self.text().isdecimal() or len(self.text()) > _MOST_DIGITS:
            raise self.refused("an integer >= 0")
        return int(self.text())

    def truth(self) -> bool:
        """Returns whether the value is true, not false."""
        if self.text() not in _TRUTH:
            raise self.refused("true or false")
        return _TRUTH[self.text()]

    def refused(self, accepted: str) -> UserError:
        """Returns the error that says what is accepted here and what was given."""
        return UserError(f"{self.where}: {self._name} must be {accepted}, got {_shown(self._node)}")


def read_yaml(path: Path) -> YamlValue:
    """Reads a YAML file as text and places; no object that it names is made."""
    try:
        node = yaml.compose(read_text(path), Loader=yaml.SafeLoader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise UserError(f"{path}: not accepted YAML, it is nested too deeply") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: not YAML ({error.problem})") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    if node is None:
        raise UserError(f"{path}: must have `tasks:`, the file is empty")
    return YamlValue(node, path, "the file")


def _place(path: Path, node: yaml.Node) -> str:
    return f"{path}:{node.start_mark.line + 1}"


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(shortened(node.value)) if node.value else "nothing"
    if not node.value:
        return "an empty list or mapping"
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
