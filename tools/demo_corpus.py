"""Writes the demo's corpus: three small tasks about messages of a shop's customers, and their task file."""

from __future__ import annotations

from absl import flags, logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.demo.corpus import write_demo_corpus
from mtdnn_tf.flags.paths import define_path

_OUTPUT_DIR = define_path("output_dir", "Folder of the corpus; replaced if it exists.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the corpus.")
_TRAIN_EXAMPLES = flags.DEFINE_integer("train_examples", 120, "Labelled training examples per task.")
_UNLABELLED_EXAMPLES = flags.DEFINE_integer("unlabelled_examples", 600, "Unlabelled examples per task.")
_VALIDATION_EXAMPLES = flags.DEFINE_integer("validation_examples", 300, "Validation examples per task.")
_TEST_EXAMPLES = flags.DEFINE_integer("test_examples", 200, "Test examples per task.")


def main() -> None:
    sizes = (_TRAIN_EXAMPLES, _UNLABELLED_EXAMPLES, _VALIDATION_EXAMPLES, _TEST_EXAMPLES)
    path = write_demo_corpus(_OUTPUT_DIR.value, _SEED.value, *(size.value for size in sizes))
    logging.info("%s: three tasks", path)


if __name__ == "__main__":
    Command(main, required=("output_dir",)).run()
