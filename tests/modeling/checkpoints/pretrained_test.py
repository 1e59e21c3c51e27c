import re

import numpy as np
import pytest
from safetensors.numpy import load_file

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.pretrained import picked_layers, select_layers
from tests.helpers import write_huggingface_folder


@pytest.mark.parametrize(
    ("choice", "layers", "picked"),
    [
        ((6,), 12, (0, 2, 4, 7, 9, 11)),  # As DistilBERT picks them.
        ((3,), 12, (0, 6, 11)),
        ((4,), 12, (0, 4, 7, 11)),
        ((3,), 6, (0, 3, 5)),
        ((2,), 24, (0, 23)),
        ((1,), 6, (0,)),
        ((6,), 6, (0, 1, 2, 3, 4, 5)),
        ((0, 2, 4), 6, (0, 2, 4)),
        ((4, 5), 6, (4, 5)),
    ],
)
def test_picked_layers(choice, layers, picked):
    assert picked_layers(choice, layers, "bert") == picked


def test_every_count_picks_different_layers_from_the_first_to_the_last():
    for layers in range(1, 25):
        for count in range(2, layers + 1):
            picked = picked_layers((count,), layers, "bert")
            assert len(set(picked)) == count
            assert (picked[0], picked[-1]) == (0, layers - 1)
            gaps = np.diff(picked)
            assert gaps.min() >= 1
            assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ((7,), "bert has 6 layers, got a count of 7"),
        ((0,), "a count >= 1.*, got 0"),
        ((-2,), "got -2"),
        ((), "got nothing"),
        ((0, 6), "bert has 6 layers, 0 to 5, got 0,6"),
        ((-1, 2), "got -1,2"),
        ((0, 2, 2), "rising numbers.*, got 0,2,2"),
        ((2, 0), "rising numbers.*, got 2,0"),
    ],
)
def test_refusals(choice, message):
    with pytest.raises(UserError, match=message):
        picked_layers(choice, 6, "bert")


def test_weights_are_those_of_the_file(tmp_path):
    write_huggingface_folder(tmp_path / "bert", layers=5)
    before = find_backbone(str(tmp_path / "bert"))
    student = select_layers(before, (1, 4))
    file = load_file(tmp_path / "bert" / "model.safetensors")
    assert student.config.num_layers == 2
    assert before.config.num_layers == 5
    assert {name for name in student.weights if not name.startswith("encoder")} == {
        name for name in file if not name.startswith("encoder")
    }
    layers = [name for name in student.weights if name.startswith("encoder")]
    assert len(layers) == 2 * 16
    for name, array in student.weights.items():
        theirs = re.sub(r"layer\.(\d)", lambda match: f"layer.{(1, 4)[int(match[1])]}", name)
        np.testing.assert_array_equal(array, file[theirs])


def test_random_weights_stay_random():
    student = select_layers(find_backbone("tiny"), (1,))
    assert student.config.num_layers == 1
    assert not student.weights
