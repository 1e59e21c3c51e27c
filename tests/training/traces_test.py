import numpy as np
import tensorflow as tf

from mtdnn_tf.training.traces import LogTraces


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
