"""What commands on Apache Beam share: its extra, and data that are files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from mtdnn_tf.data.settings import DataSettings
from mtdnn_tf.data.sources.source import FILES
from mtdnn_tf.errors import UserError
from mtdnn_tf.flags import data


@contextlib.contextmanager
def needed() -> Iterator[None]:
    """Names the extra if a module of Apache Beam that the block imports is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "apache_beam":
            raise
        # Of `mtdnn NAME` or of tools/NAME.py.
        name = Path(sys.argv[0]).stem.rpartition(" ")[2]
        raise UserError(f"mtdnn {name} needs apache_beam: pip install 'mtdnn_tf[beam]'") from None


def file_settings() -> DataSettings:
    """Returns the data settings of the command line, whose tasks are read from files."""
    settings = data.settings()
    if settings.source.kind != FILES:
        raise UserError(f"Apache Beam needs `data_source={FILES}`, got {settings.source.kind}")
    return settings
