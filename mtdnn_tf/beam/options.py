"""Options of the commands that run on Apache Beam."""

from __future__ import annotations

import dataclasses

from mtdnn_tf.options import Options, option


@dataclasses.dataclass(frozen=True)
class BeamOptions(Options):
    """How the rows are divided, and which runner predicts them."""

    runner: str = option(
        "DirectRunner",
        "Runner of Apache Beam, such as DirectRunner (this machine), FlinkRunner, SparkRunner or DataflowRunner.",
    )
    beam: tuple[str, ...] = option(
        (), "Option of Apache Beam or its runner, such as direct_num_workers=2; may be repeated.", is_repeated=True
    )
    num_shards: int = option(
        16,
        "Number of parts that the rows are divided into. A worker holds the rows of a part in memory.",
        at_least=1,
        at_most=99999,
    )
    batch_size: int = option(64, "Number of rows per batch.", at_least=1)
    max_unreadable_rows: int = option(
        0, "Number of rows that may be left out because they cannot be read. They are listed in a file.", at_least=0
    )


@dataclasses.dataclass(frozen=True)
class BeamPredictionOptions(Options):
    """Which files predictions are written to."""

    format: str = option("jsonl", "Format of the files of predictions.", choices=("jsonl", "tsv"))
