"""Training of encoders of each family, from the folders of tests/golden/families."""

from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.modeling.bert_weights import read_weights
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.training.run import train
from tests.transformers_families import CASES, LENGTH

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "families"


@pytest.mark.parametrize("name", [name for name in CASES if name != "bert"])
def test_every_weight_is_trained_and_a_run_continues(config, name):
    config = config.replace(
        backbone=str(GOLDEN / name), max_sequence_length=LENGTH, tasks=("mood", "entailment"), evaluation="never"
    )
    train(config.replace(epochs=1))
    trained, initial = load_model(config.output_dir), find_backbone(str(GOLDEN / name))
    assert trained.model.backbone.config == initial.config
    for weight, array in read_weights(trained.model.backbone).items():
        assert np.isfinite(array).all() and not np.array_equal(array, initial.weights[weight]), weight
    again = config.replace(output_dir=config.output_dir / "again", init_from=str(config.output_dir), epochs=1)
    train(again)
    assert load_model(again.output_dir).model.backbone.config == initial.config
