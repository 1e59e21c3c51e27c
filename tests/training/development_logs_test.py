import math

from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from mtdnn_tf.training.callbacks import log_development_metrics


def test_tensorboard_reads_a_tag_for_each_task_and_metric(tmp_path):
    log_development_metrics(tmp_path, 1, {"rte": {"accuracy": 0.5}, "mnli/validation": {"accuracy": 0.25}})
    log_development_metrics(tmp_path, 2, {"rte": {"accuracy": math.nan}, "mnli/validation": {"accuracy": 0.75}})
    events = EventAccumulator(str(tmp_path / "validation"), size_guidance={TENSORS: 0})
    events.Reload()
    read = {
        tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }
    assert read["mnli/validation/accuracy"] == [(0, 0.25), (1, 0.75)]
    assert read["rte/accuracy"][0] == (0, 0.5)
    assert math.isnan(read["rte/accuracy"][1][1])
