from mtdnn_tf.recipe.results import ModelResults, runs_by_model


def test_results_become_json():
    model = ModelResults("student", "student", {1: {"nli": {"accuracy": 0.5}}})
    assert model.to_json() == {
        "name": "student",
        "role": "student",
        "runs": [{"seed": 1, "metrics": {"nli": {"accuracy": 0.5}}}],
    }


def test_tables_get_the_runs_of_every_model():
    model = ModelResults("student", "student", {4: {"nli": {"accuracy": 0.5}}, 2: {"nli": {"accuracy": 0.75}}})
    assert runs_by_model([model]) == {"student": [{"nli": {"accuracy": 0.5}}, {"nli": {"accuracy": 0.75}}]}
