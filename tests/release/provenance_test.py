from __future__ import annotations

import json
import statistics

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import to_json
from mtdnn_tf.release.provenance import release_metrics
from tests.report.example_data import full_report


def _run(folder, metrics):
    (folder / "metrics").mkdir(parents=True)
    (folder / "metrics" / "validation.json").write_text(json.dumps(metrics))
    return folder


def test_without_a_recipe_there_is_one_run(tmp_path):
    found = release_metrics(_run(tmp_path, {"mood": {"accuracy": 0.75}}), None)
    assert found.seeds == found.calibration == ()
    assert found.results["mood"]["accuracy"]._asdict() == {"mean": 0.75, "deviation": None, "n": 1}
    assert json.loads(json.dumps(to_json(found)))["results"]["mood"]["accuracy"]["n"] == 1


def test_the_model_of_a_report_that_the_run_belongs_to_is_found(tmp_path):
    report = full_report()
    (tmp_path / "report.json").write_text(json.dumps(report.to_json()))
    student = next(model for model in report.models if model.name == "distilled student")
    run = _run(tmp_path / "run", {name: dict(values) for name, values in student.runs[2].metrics.items()})
    found = release_metrics(run, tmp_path / "report.json")
    assert (found.model, found.seeds) == ("distilled student", (1, 2, 3, 4, 5))
    values = [float(run.metrics["mrpc"]["f1"] or 0) for run in student.runs]
    summary = found.results["mrpc"]["f1"]
    assert summary.mean == pytest.approx(statistics.fmean(values))
    assert summary.deviation == pytest.approx(statistics.stdev(values))
    assert summary.n == 5
    calibrated = [(of.task, list(of.nll), list(of.ece)) for of in report.reliability if of.model == found.model]
    assert [(of.task, list(of.nll), list(of.ece)) for of in found.calibration] == calibrated != []


def test_a_results_file_of_a_recipe_is_read(tmp_path):
    runs = [{"seed": seed, "metrics": {"mood": {"accuracy": value}}} for seed, value in ((3, 0.5), (4, 0.7))]
    models = [{"name": "other", "role": "teacher", "runs": []}, {"name": "student", "role": "student", "runs": runs}]
    (tmp_path / "results.json").write_text(json.dumps({"models": models, "gains": {}}))
    found = release_metrics(_run(tmp_path, {"mood": {"accuracy": 0.7}}), tmp_path / "results.json")
    assert (found.model, found.seeds) == ("student", (3, 4))
    assert found.results["mood"]["accuracy"].mean == pytest.approx(0.6)
    with pytest.raises(UserError, match="no model has the metrics of"):
        release_metrics(_run(tmp_path / "other", {"mood": {"accuracy": 0.6}}), tmp_path / "results.json")


@pytest.mark.parametrize("content", ["[]", "{}", '{"models": [{"name": "m"}]}', '{"models": 3}'])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(UserError, match=r"other\.json: must be a recipe's report\.json or results\.json"):
        release_metrics(_run(tmp_path, {"mood": {"accuracy": 0.7}}), tmp_path / "other.json")
