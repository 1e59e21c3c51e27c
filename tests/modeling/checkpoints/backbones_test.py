import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone


def test_tiny_spells_ascii_by_characters():
    tiny = find_backbone("tiny")
    assert not tiny.weights
    assert len(tiny.vocabulary) == len(set(tiny.vocabulary)) == tiny.config.vocabulary_size
    assert {"a", "##a", "0", "##0", "!", "[CLS]"} <= set(tiny.vocabulary)


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UserError, match="did you mean 'bert_base_en_uncased'"):
        find_backbone("bert_base_uncased")


def test_a_folder_of_no_known_layout_is_refused(tmp_path):
    (tmp_path / "bert_config.txt").write_text("")
    with pytest.raises(UserError, match="no layout recognised; accepted: Hugging Face"):
        find_backbone(str(tmp_path))
