from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.ensemble_tables import (
    check_table_flags,
    disagreement,
    disagreement_table,
    leave_one_out,
    run_names,
)
from mtdnn_tf.evaluation.runs import RunPredictions
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import SplitFile, Task
from tests.helpers import VOCABULARY, write_answers, write_tasks


@pytest.fixture(name="predicted")
def _predicted(tmp_path):
    """Returns what three runs predict on a split of each kind of task."""
    tasks = select_tasks(["entailment", "similarity"], [write_tasks(tmp_path)])
    write_answers(tmp_path / "answers.tsv", [2, 5, 1, 3, 4, 3, 2], seed=0)
    file = SplitFile("answers.tsv", label="relevant")
    names = ("question", "answer")
    tasks.append(Task("answers", "ranking", names, ("0", "1"), ("mrr",), files={"validation": file}, id="hash"))
    tokenizer, source = WordPieceTokenizer(VOCABULARY, lowercase=True), DataSource("files", tmp_path)
    generator, predicted = np.random.default_rng(0), {}
    for task in tasks:
        encoded = EncodedData(source, tokenizer, 32, tmp_path / "cache").split(task, "validation")
        values = generator.dirichlet(np.ones(3), size=(3, len(encoded))).astype(np.float32)[..., : task.num_outputs]
        predicted[task.name] = RunPredictions(encoded, list(values))
    return predicted


def test_each_run_is_left_out_with_its_weight(predicted):
    weights = np.array([1.0, 2.0, 3.0])
    found = leave_one_out(predicted, ["a", "b", "c"], list(weights))
    assert list(found) == ["without a", "without b", "without c"]
    values, encoded = np.stack(predicted["entailment"].by_run), predicted["entailment"].encoded
    for number, metrics in enumerate(found.values()):
        kept = np.arange(3) != number
        mean = np.average(values[kept], axis=0, weights=weights[kept])
        assert metrics["entailment"]["accuracy"] == accuracy_score(encoded.labels, mean.argmax(axis=1))
        assert set(metrics) == {"entailment", "similarity", "answers"}
    with pytest.raises(UserError, match=r"two or more --weights above 0, got 0\.0, 2\.0, 0\.0"):
        leave_one_out(predicted, ["a", "b", "c"], [0.0, 2.0, 0.0])


def test_disagreement_is_that_of_plain_python(predicted):
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    found = {name: disagreement(split, ["a", "b", "c"]) for name, split in predicted.items()}
    for (one, other), names in zip(((0, 1), (0, 2), (1, 2)), pairs):
        first, second = (predicted["entailment"].by_run[run].tolist() for run in (one, other))
        different = [a.index(max(a)) != b.index(max(b)) for a, b in zip(first, second)]
        assert found["entailment"].by_pair[names] == pytest.approx(sum(different) / 40)
        scores = [predicted["similarity"].by_run[run][:, 0].tolist() for run in (one, other)]
        differences = [abs(a - b) for a, b in zip(*scores)]
        assert found["similarity"].by_pair[names] == pytest.approx(sum(differences) / 40, rel=1e-6)
        queries = list(predicted["answers"].encoded.queries)
        tops = []
        for run in (one, other):
            candidates: dict[int, list[tuple[float, int]]] = {}
            for row, value in enumerate(predicted["answers"].by_run[run][:, 0]):
                candidates.setdefault(queries[row], []).append((float(value), row))
            tops.append([max(rows)[1] for _, rows in sorted(candidates.items())])
        assert found["answers"].by_pair[names] == pytest.approx(sum(a != b for a, b in zip(*tops)) / 7)
        assert 0 < found["answers"].by_pair[names] < 1
    table = disagreement_table(found).splitlines()
    header = table[0].split("  ")
    assert [cell.strip() for cell in header if cell] == [
        "runs that disagree",
        "entailment (%)",
        "similarity",
        "answers (%)",
    ]
    shown = [100 * found["entailment"].by_pair["b", "c"], 100 * found["answers"].by_pair["b", "c"]]
    assert table[3].split() == [
        "b,",
        "c",
        f"{shown[0]:.1f}",
        f"{found['similarity'].by_pair['b', 'c']:.3f}",
        f"{shown[1]:.1f}",
    ]
    assert found["answers"].to_json()["pairs"][2]["runs"] == ["b", "c"]


def test_runs_of_the_same_name_go_by_their_paths():
    assert run_names([Path("x/a"), Path("x/b")]) == ["a", "b"]
    assert run_names([Path("x/a"), Path("y/a")]) == ["x/a", "y/a"]
    with pytest.raises(UserError, match="--disagreement needs two or more different --runs, got x/a, x/a"):
        check_table_flags("disagreement", [Path("x/a"), Path("x/a")])
