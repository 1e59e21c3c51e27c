from __future__ import annotations

from mtdnn_tf.api.tasks import Classification, MultiLabel, Ranking, Regression


def test_an_entry_has_what_a_task_file_takes():
    task = Classification("stars", ("title", "review"), ["1", "2"], label="rating", class_weights={"1": 2.0}, id="key")
    assert task.entry({"train": "a.tsv"}) == {
        "kind": "classification",
        "text": ["title", "review"],
        "label": "rating",
        "labels": ["1", "2"],
        "class_weights": {"1": 2.0},
        "id": "key",
        "files": {"train": "a.tsv"},
    }
    assert task.required_columns == ("title", "review", "key")


def test_each_kind_has_its_own_defaults():
    declared = (
        MultiLabel("topics", "text", ["a", "b"]),
        Regression("score", ["a", "b"]),
        Ranking("answers", ["q", "d"], group="query"),
    )
    assert [(task.kind, task.texts, task.label, task.labels) for task in declared] == [
        ("multi_label", ("text",), "labels", ("a", "b")),
        ("regression", ("a", "b"), "score", ()),
        ("ranking", ("q", "d"), "label", ("0", "1")),
    ]
