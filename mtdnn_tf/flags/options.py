"""Flags made from the options of configurations, and configurations made from flags."""

from __future__ import annotations

from typing import Any

from absl import flags

from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.files import user_path
from mtdnn_tf.options import Option, Options

_AUTO = "auto"
_MOST_DIGITS = 100  # Python converts 4,300.
_DEFINE = {
    "bool": flags.DEFINE_bool,
    "int": flags.DEFINE_integer,
    "float": flags.DEFINE_float,
    "str": flags.DEFINE_string,
    "Path": flags.DEFINE_string,
}


def define(options: type[Options]) -> None:
    """Defines the flags of a class of options, except those that are defined already."""
    for option in options.declared().values():
        if option.name not in flags.FLAGS:
            _define(option)


def _define(option: Option) -> None:
    default, text = option.default, option.help
    if option.is_kept_by_runs:
        # Not given, the flag is None: commands that take a run then use the run's own setting.
        text += f" Default: that of the run, if the command takes one, else {option.shown_default}."
        default = None
    elif option.unset:
        text += f" Default: {option.unset}."
        default = default if option.is_tuple else None
    if option.is_repeated:
        flags.DEFINE_multi_string(option.name, default, text)
    elif option.is_tuple:
        flags.DEFINE_list(option.name, None if default is None else [f"{item}" for item in default], text)
    elif option.accepts_auto:
        flags.DEFINE_string(option.name, _AUTO if default is None else str(default), text)
    elif option.choices:
        flags.DEFINE_enum(option.name, default, option.choices, text)
    else:
        is_path = option.value_type == "Path" and default is not None
        _DEFINE[option.value_type](option.name, str(default) if is_path else default, text)


def given(options: type[Options]) -> dict[str, Any]:
    """Returns the values of a class of options by name, without those that the command line leaves out.

    Raises:
        UserError: An item of a list is not of the option's type.
    """
    values = {name: (option, flags.FLAGS[name].value) for name, option in options.declared().items()}
    return {name: _parsed(option, value) for name, (option, value) in values.items() if value is not None}


def _parsed(option: Option, value: Any) -> Any:
    if option.accepts_auto:
        if value == _AUTO:
            return None
        if not value.isdecimal() or len(value) > _MOST_DIGITS:
            raise UserError(f"`{option.name}` must be {_AUTO} or an integer, got {shortened(value)}")
        return int(value)
    if option.is_tuple:
        return option.parse(value)
    if option.value_type == "Path" and not value:
        raise UserError(f"`{option.name}` must be a path, got nothing")
    if option.value_type == "Path":
        return user_path(value)
    # Some texts are a folder or a name.
    return str(user_path(value)) if isinstance(value, str) and value.startswith("~") else value
