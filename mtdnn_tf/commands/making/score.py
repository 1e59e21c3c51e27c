"""Scores training data with an ensemble of teachers and writes their averaged soft targets."""

from __future__ import annotations

import os

from absl import flags, logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.data.subset import Part
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.examples_to_label import MEASURES, Selection
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.evaluation.ensembles.shard import Shard, parse_shard
from mtdnn_tf.evaluation.ensembles.shards import Shards
from mtdnn_tf.flags import data, inference
from mtdnn_tf.flags.ensemble import define_average, define_weights
from mtdnn_tf.flags.numbers import define_integer
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.flags.paths import define_path, define_paths
from mtdnn_tf.options import parse_list
from mtdnn_tf.tasks.task import TRAIN
from mtdnn_tf.training.cluster import read_cluster

define(Part)
_TEACHERS = define_paths("teachers", "Comma-separated folders of the teachers' runs.")
_WEIGHTS = define_weights("teacher")
_FIT_WEIGHTS_ON = flags.DEFINE_list(
    "fit_weights_on",
    [],
    "Comma-separated labelled splits; each task fits its weights on half of the first one that it has.",
)
_AVERAGE = define_average()
_SPLIT = flags.DEFINE_string("split", "train", "The split to score.")
_TF_CONFIG = "tf_config"
_SHARD = flags.DEFINE_string(
    "shard",
    None,
    f"I/N: predict part I, from 0, of N, for --merge_shards; or `{_TF_CONFIG}`: the part of this worker in TF_CONFIG.",
)
_MERGE_SHARDS = define_integer("merge_shards", None, "Number of shards to merge into soft targets.", 1, 9999)
_RANK_BY = flags.DEFINE_enum(
    "rank_by",
    None,
    MEASURES,
    "Also write the examples with the largest variance, entropy or disagreement, to be labelled.",
)
_TOP = define_integer(
    "top", None, "Number of examples, or of a ranking's queries, that --rank_by writes; default: 100.", 1
)
_OUTPUT_DIR = define_path("output_dir", "Folder of the soft targets, with one subfolder per task.")


def shard_of_flags() -> Shard | None:
    """Returns the shard that the flags give."""
    if _SHARD.value is None:
        return None
    if _MERGE_SHARDS.value is not None:
        raise UserError("--shard and --merge_shards must not be given together")
    if _SHARD.value == _TF_CONFIG:
        if not os.environ.get("TF_CONFIG"):
            raise UserError(f"--shard={_TF_CONFIG} needs the environment variable TF_CONFIG, which is not set")
        cluster = read_cluster()
        return Shard(cluster.index, cluster.num_workers)
    return parse_shard(_SHARD.value)


def selection_of_flags() -> Selection | None:
    """Returns which examples the flags ask for."""
    if _RANK_BY.value is None:
        if _TOP.value is not None:
            raise UserError(f"--top needs --rank_by, {' or '.join(MEASURES)}")
        return None
    return Selection(_RANK_BY.value, **({} if _TOP.value is None else {"size": _TOP.value}))


def main() -> None:
    how = inference.inference_settings()
    shard, part = shard_of_flags(), Part.build(**given(Part))
    if _SPLIT.value != TRAIN and (part.max_examples, part.fraction) != (None, None):
        raise UserError(f"--max_train_examples and --train_fraction need --split={TRAIN}, got {_SPLIT.value}")
    teachers = _TEACHERS.value
    tasks, task_data = data.run_inputs(teachers)
    scoring = Scoring(
        runs=teachers,
        tasks=tasks,
        split=_SPLIT.value,
        data=task_data,
        output_dir=_OUTPUT_DIR.value,
        weights=parse_list("weights", _WEIGHTS.value) or None,
        inference=how,
        average=_AVERAGE.value,
        fit_weights_on=_FIT_WEIGHTS_ON.value,
        train_part=part,
        to_label=selection_of_flags(),
    )
    if shard is not None:
        names = Shards(scoring).write(shard)
        logging.info("%s: shard %s is complete for %s", _OUTPUT_DIR.value, shard, ", ".join(names))
        return
    names = score(scoring) if _MERGE_SHARDS.value is None else Shards(scoring).merge(_MERGE_SHARDS.value)
    logging.info("%s: soft targets of %d teachers for %s", _OUTPUT_DIR.value, len(_TEACHERS.value), ", ".join(names))


COMMAND = Command(main, required=("teachers", "output_dir"))
