"""A training whose numbers go wrong stops, and keeps what was good."""

import re

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from mtdnn_tf.errors import UserError
from mtdnn_tf.training.callbacks import LogTraces
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from tests.helpers import VOCABULARY, write_huggingface_folder, write_tasks


def test_it_stops_at_the_step_names_the_task_and_keeps_the_checkpoint_before(tmp_path):
    weights = tmp_path / "bert" / "model.safetensors"
    write_huggingface_folder(weights.parent)
    arrays = load_file(weights)
    # A word piece whose numbers are finite and overflow in the first layer, and one row of one task that has it.
    arrays["embeddings.word_embeddings.weight"][VOCABULARY.index(".")] = 3e38
    save_file(arrays, weights)
    task_file = write_tasks(tmp_path / "tasks")
    with (task_file.parent / "entailment_train.tsv").open("a") as file:
        file.write("the cat .\ta dog\tentails\n")
    config = TrainingConfig.build(
        output_dir=tmp_path / "run",
        data_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        task_file=(task_file,),
        tasks=("mood", "entailment"),
        max_sequence_length=32,
        backbone=str(weights.parent),
        epochs=1,
        batch_size=8,
        seed=2,
        checkpoint_interval=3,
        evaluation="never",
    )
    with pytest.raises(UserError, match="step") as caught:
        train(config)
    found = re.fullmatch(
        rf"{config.output_dir}: step (\d+), task entailment: loss nan, gradient norm nan: the training diverged; "
        r"the last good checkpoint, (\S+), is kept\. Lower `learning_rate`, or look for huge numbers in the encoder",
        str(caught.value),
    )
    assert found, caught.value
    last_good = (int(found[1]) - 1) // 3 * 3
    assert last_good > 0
    folder = config.output_dir / "checkpoints" / f"ckpt-{last_good}"
    assert found[2] == str(folder)
    assert max(int(path.name.partition("-")[2]) for path in folder.parent.iterdir()) == last_good
    reader = tf.train.load_checkpoint(str(folder / "state"))
    for name, dtype in reader.get_variable_to_dtype_map().items():
        if dtype.is_floating:
            assert np.isfinite(reader.get_tensor(name)).all(), name
    # The same command comes to the same step from there.
    with pytest.raises(UserError, match=re.escape(f"step {found[1]}, task entailment: loss nan")):
        train(config)


def test_it_names_what_is_unusual_in_the_run(tmp_path):
    task_file = write_tasks(tmp_path / "tasks")
    scores = task_file.parent / "similarity_train.tsv"
    scores.write_text(re.sub(r"\t[\d.]+$", "\t1e30", scores.read_text(), flags=re.MULTILINE))
    config = TrainingConfig.build(
        output_dir=tmp_path / "run",
        cache_dir=tmp_path / "cache",
        task_file=(task_file,),
        tasks=("similarity",),
        max_sequence_length=32,
        backbone="tiny",
        learning_rate=0.5,
        evaluation="never",
    )
    with pytest.raises(UserError, match=r"Unusual here: `learning_rate=0\.5`, a score of 1e\+30 in task similarity$"):
        train(config)


class _Model(tf.keras.Model):
    def train_step(self, data):
        return {"sum": tf.reduce_sum(data)}


def test_each_shape_is_counted_once_and_growth_is_logged(caplog):
    caplog.set_level("INFO", logger="absl")
    model, callback = _Model(), LogTraces()
    model.compile()
    # Keras relaxes the axis that differs, so that its third length is no new trace.
    for epoch, shapes in enumerate(([(2, 3), (2, 5), (2, 7)], [(2, 5), (2, 9)], [(4, 7)])):
        data = [np.ones(shape, np.float32) for shape in shapes]
        for array in data:
            model.fit(tf.data.Dataset.from_tensors(array), initial_epoch=epoch, epochs=epoch + 1, verbose=0)
        model.fit(tf.data.Dataset.from_tensors(data[0]), verbose=0, callbacks=[callback])
    shown = [record.getMessage() for record in caplog.records if "traced" in record.getMessage()]
    assert callback.count == 3
    assert shown == [
        "the training step has been traced 2 time(s), 2 of them new",
        "the training step has been traced 3 time(s), 1 of them new",
    ]
