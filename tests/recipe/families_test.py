"""A recipe of teachers of different families and tokenizers, into a student of DistilBERT's."""

import json
from pathlib import Path

from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.run import run_recipe
from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import write_tasks
from tests.transformers_families import LENGTH

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "families"


TEACHERS = ("bert", "electra", "roberta", "modernbert")


def test_teachers_of_other_families_teach_a_student_of_distilberts(tmp_path):
    base = TrainingConfig.build(
        output_dir=tmp_path / "out",
        data_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        task_file=(write_tasks(tmp_path / "tasks", rows=16),),
        tasks=("mood",),
        max_sequence_length=LENGTH,
        backbone=str(GOLDEN / "distilbert"),
        epochs=1,
        batch_size=8,
        evaluation="end",
    )
    backbones = tuple(str(GOLDEN / name) for name in TEACHERS)
    run_recipe(RecipeConfig(base, dropouts=(0.1,), teacher_backbones=backbones, seeds=(0,)))

    out = tmp_path / "out"
    teachers = [load_model(out / "teachers" / str(number)) for number, _ in enumerate(TEACHERS, start=1)]
    assert [teacher.model.backbone.config.model_type for teacher in teachers] == list(TEACHERS)
    targets = json.loads((out / "soft_targets" / "mood" / "manifest.json").read_text())
    made_by = {teacher["weights_sha256"] for teacher in targets["teachers"]}
    assert made_by == {teacher.fingerprint for teacher in teachers}
    student = out / "student" / "seed_0"
    assert load_model(student).model.backbone.config.model_type == "distilbert"
    assert json.loads((student / "config.json").read_text())["soft_targets"] == {"mood": targets["manifest_sha256"]}
