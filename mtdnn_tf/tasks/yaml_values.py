"""Values of a YAML file that know the line they stand on, so that a mistake can be told with its place."""

from __future__ import annotations

from pathlib import Path

import yaml

from mtdnn_tf.errors import UserError, shortened


class YamlValue:
    """One value of a YAML file.

    Scalars are the text that stands in the file: YAML would make booleans of labels such as yes and no.
    """

    def __init__(self, node: yaml.Node, path: Path, name: str, line: int) -> None:
        """Holds a value.

        Args:
            node: The value.
            path: The file.
            name: What the value is, for messages, such as "labels of task intent".
            line: The line of the value's key, or of the value if it has none; from 1.
        """
        self._node = node
        self._path = path
        self._name = name
        self._line = line

    @property
    def where(self) -> str:
        """The file and line of the value's key, or of the value if it has none."""
        return f"{self._path}:{self._line}"

    @property
    def is_text(self) -> bool:
        """Whether the value is no list or mapping."""
        return isinstance(self._node, yaml.ScalarNode)

    @property
    def is_mapping(self) -> bool:
        """Whether the value is a mapping."""
        return isinstance(self._node, yaml.MappingNode)

    def fields(self, naming: str = "{}") -> dict[str, YamlValue]:
        """Returns the values of a mapping by key.

        Args:
            naming: What the value of key {} is, for messages, such as "{} of task intent".

        Raises:
            UserError: The value is no mapping, or a key is no text or given twice.
        """
        if not isinstance(self._node, yaml.MappingNode):
            raise self.refused("takes `name: value` pairs")
        fields: dict[str, YamlValue] = {}
        for key, value in self._node.value:
            line = _line_of(key)
            if not isinstance(key, yaml.ScalarNode) or not key.value:
                raise UserError(f"{self._path}:{line}: {self._name} takes names as keys, {_shown(key)} given")
            if key.value in fields:
                raise UserError(f"{self._path}:{line}: {key.value!r} is given twice in {self._name}; give it once")
            name = naming.replace("{}", key.value, 1)
            fields[key.value] = YamlValue(value, self._path, name, line)
        return fields

    def items(self) -> list[YamlValue]:
        """Returns the values of a list.

        Raises:
            UserError: The value is no list, or an empty one.
        """
        if not isinstance(self._node, yaml.SequenceNode) or not self._node.value:
            raise self.refused("takes a list of one or more, such as [a, b]")
        return [YamlValue(item, self._path, self._name, _line_of(item)) for item in self._node.value]

    def text(self) -> str:
        """Returns the value's text.

        Raises:
            UserError: The value is a mapping or list, is empty, or holds a character that cannot be printed.
        """
        if not isinstance(self._node, yaml.ScalarNode) or not self._node.value:
            raise self.refused("takes text")
        if not self._node.value.isprintable():
            raise self.refused("takes printable text")
        return self._node.value

    def texts(self) -> tuple[str, ...]:
        """Returns the texts of a list.

        Raises:
            UserError: The value is no list of different texts.
        """
        texts: dict[str, None] = {}
        for item in self.items():
            text = item.text()
            if text in texts:
                raise UserError(f"{item.where}: {text!r} is given twice in {self._name}; give it once")
            texts[text] = None
        return tuple(texts)

    def number(self) -> float:
        """Returns the value's number.

        Raises:
            UserError: The value is no number.
        """
        try:
            return float(self.text())
        except ValueError:
            raise self.refused("takes a number") from None

    def refused(self, accepted: str) -> UserError:
        """Returns the error that says what is accepted here and what was given."""
        return UserError(f"{self.where}: {self._name} {accepted}, {_shown(self._node)} given")


def read_yaml(path: Path) -> YamlValue:
    """Reads a YAML file as text and places; no object that it names is made.

    Raises:
        UserError: The file is missing, not UTF-8, not YAML, or empty.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}; convert the file to UTF-8") from None
    except RecursionError:
        raise UserError(f"{path}: not accepted YAML, it is nested too deeply") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: not YAML ({error.problem})") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    if node is None:
        raise UserError(f"{path}: the file is empty; it takes `tasks:`")
    return YamlValue(node, path, "the file", _line_of(node))


def _line_of(node: yaml.Node) -> int:
    """Returns the line a value begins on, from 1."""
    return int(node.start_mark.line) + 1


def _shown(node: yaml.Node) -> str:
    """Returns a value as a message shows it."""
    if isinstance(node, yaml.ScalarNode):
        return repr(shortened(node.value)) if node.value else "nothing"
    if not node.value:
        return "an empty list or mapping"
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
