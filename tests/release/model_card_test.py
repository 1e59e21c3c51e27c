from __future__ import annotations

import json

from mtdnn_tf.evaluation.measures.statistics import Summary
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.release.model_card import licence_notes, model_card
from mtdnn_tf.release.provenance import ReleaseMetrics, read_provenance
from mtdnn_tf.report.data import Reliability
from mtdnn_tf.tasks.task import Task

_MOOD = Task(name="mood", kind="classification", text=("text",), labels=("bad|worse", "good"), metrics=("accuracy",))
_ANSWERS = Task(name="answers", kind="ranking", text=("query", "answer"), labels=("no", "yes"), metrics=("mrr",))
_CONFIG = BackboneConfig(vocabulary_size=10, num_layers=2, num_heads=2, hidden_dim=4, intermediate_dim=8)


def _run(folder):
    flags = f"--backbone=/home/someone/bert_small\n--soft_targets={folder / 'gone'},{folder / 'soft'}\n"
    identity = {"distill_weight": 0.5, "soft_targets": {"mood": "a" * 64, "mood/test": "b" * 64, "answers": "c" * 64}}
    for name, content in (("config.flags", flags), ("config.json", json.dumps(identity))):
        (folder / name).write_text(content)
    for name, teachers in (("metrics", None), ("soft/mood", 3), ("soft/mood-test", 2)):
        (folder / name).mkdir(parents=True)
        if teachers:
            manifest = {"teachers": [{"run": str(number)} for number in range(teachers)]}
            (folder / name / "manifest.json").write_text(json.dumps(manifest))
    (folder / "metrics" / "validation.json").write_text("{}")
    return read_provenance(folder)


def _rows(card, heading):
    section = card.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| ")][1:]


def test_teachers_quality_and_calibration_are_told(tmp_path):
    metrics = ReleaseMetrics(
        "student",
        (1, 2),
        {"mood": {"accuracy": Summary(0.7512, 0.0123, 2)}, "answers": {"mrr": Summary(None, None, 0)}},
        [Reliability("student", "mood", (), (0.5, 0.7), (0.2, 0.2), (None, None))],
    )
    values = {"max_sequence_length": 64, "preset_difference": None, "model_name": "answers", "weights": "float32"}
    card = model_card([_MOOD, _ANSWERS], _run(tmp_path), metrics, _CONFIG, **values)
    assert "large matrices" not in card
    assert _rows(card, "Teachers")[1:] == ["| mood | 3 |", "| mood/test | 2 |", "| answers | not known |"]
    assert _rows(card, "Metrics")[1:] == [
        "| mood | accuracy | 0.7512 ± 0.0123 | 2 |",
        "| answers | mrr | not defined | 0 |",
    ]
    # By hand: the standard deviation of 0.5 and 0.7 is sqrt(0.02).
    assert _rows(card, "Calibration")[1:] == ["| mood | 0.6000 ± 0.1414 | 0.2000 ± 0.0000 | not defined |"]
    assert "bad\\|worse, good" in card
    assert "bert_small" in card and "someone" not in card
    assert "http://localhost:8501/v1/models/answers:predict" in card and ":/models/answers tensorflow" not in card
    assert '-d \'{"signature_name": "mood", "instances": [{"text_a": "..."}]}\'' in card
    assert "`bert_small`" in licence_notes([_MOOD], read_provenance(tmp_path))


def test_what_is_not_known_is_said(tmp_path):
    provenance = _run(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    plain = read_provenance(tmp_path)
    values = {"max_sequence_length": 64, "preset_difference": 0.0123, "model_name": "mtdnn", "weights": "int8"}
    card = model_card([_ANSWERS], plain, ReleaseMetrics("this run", (), {}), _CONFIG, **values)
    assert "large matrices in int8" in card
    assert "None: the model was trained on gold labels only." in card
    assert "Not known: the run was trained without evaluation." in card
    assert "Not measured." in card
    assert "differ by up to 1.2e-02" in " ".join(card.split())
    assert '{"text_a": "...", "text_b": "..."}' in card
    assert provenance.teachers == {"mood": 3, "mood/test": 2, "answers": 0}
