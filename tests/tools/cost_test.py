import json

from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from tests.tools.conftest import Trained


def test_an_ensemble_is_compared_with_its_student(binaries, trained: Trained, tmp_path):
    runs = ",".join(map(str, trained.runs))
    flags = (f"--runs={runs}", f"--student={trained.runs[0]}", "--length=16", "--batch_size=1,3", "--repeats=4")
    result = binaries.run("cost", *flags, f"--output={tmp_path / 'cost.json'}")
    assert result.status == 0, result.stderr
    stored = json.loads((tmp_path / "cost.json").read_text())
    expected = load_model(trained.runs[0]).model.count_params()
    assert (stored["task"], stored["length"]) == ("mood", 16)
    assert stored["student"]["parts"]["total"] == stored["student"]["parameters"] == expected
    assert set(stored["student"]["parts"]["heads"]) == {"mood", "entailment", "similarity"}
    assert stored["ratios"]["parameters"] == stored["ratios"]["flops"] == 2.0
    for size in ("1", "3"):
        times = [stored[name]["latency"][size]["median_ms"] for name in ("ensemble", "student")]
        assert stored["ratios"]["latency"][size] == times[0] / times[1]
        assert stored["ensemble"]["latency"][size]["repeats"] == 4
    lines = result.stdout.splitlines()
    assert lines[0].startswith("task mood, 16 word pieces")
    assert [line.split("  ")[0].strip() for line in lines[2:]] == ["ensemble of 2", "student", "ratio"]
    assert f"{2 * expected:,}" in lines[2]
    assert lines[4].split()[1:3] == ["2.00", "2.00"]


def test_the_task_that_is_named_is_answered(binaries, trained: Trained, tmp_path):
    flags = (f"--runs={trained.runs[1]}", f"--student={trained.runs[0]}", "--task=similarity", "--length=8")
    result = binaries.run("cost", *flags, "--batch_size=2", "--repeats=1")
    assert result.status == 0, result.stderr
    assert result.stdout.startswith("task similarity, 8 word pieces")
