from mtdnn_tf.recipe.results import ModelResults, results_table


def test_a_table_has_mean_and_deviation_over_seeds():
    runs = {
        1: {"mood": {"accuracy": 0.8, "f1": 0.6}, "nli": {"accuracy": 0.5}},
        2: {"mood": {"accuracy": 0.9, "f1": 0.8}, "nli": {"accuracy": 0.7}},
    }
    models = [
        ModelResults("ensemble of 3", "ensemble", {0: {"mood": {"f1": 0.8}, "nli": {"accuracy": 0.5}}}),
        ModelResults("student", "student", runs),
        ModelResults("teacher 1, fine-tuned", "teacher", {4: {"nli": {"accuracy": 0.25}}}),
    ]
    # By hand: the student's mood is 70 and 85, its average 60 and 77.5; sample deviations are |difference| / sqrt(2).
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in results_table(models).splitlines()]
    assert rows == [
        ["model", "mood", "nli", "average of 2 tasks", "n"],
        ["ensemble of 3", "80.0", "50.0", "65.0", "1"],
        ["student", "77.5 ± 10.6", "60.0 ± 14.1", "68.8 ± 12.4", "2"],
        ["teacher 1, fine-tuned", "-", "25.0", "-", "1"],
    ]


def test_results_become_json():
    model = ModelResults("student", "student", {1: {"nli": {"accuracy": 0.5}}})
    assert model.to_json() == {
        "name": "student",
        "role": "student",
        "runs": [{"seed": 1, "metrics": {"nli": {"accuracy": 0.5}}}],
    }
