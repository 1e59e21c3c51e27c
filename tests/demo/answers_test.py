from __future__ import annotations

from collections.abc import Iterator

import pytest

from mtdnn_tf.demo.answers import QUESTIONS, Answer, Question, answer_questions
from mtdnn_tf.demo.corpus import DEMO_TASKS, clean_rows, write_demo_corpus
from tests.tools.binaries import Binaries


def test_questions_are_about_the_demos_tasks_and_not_in_its_corpus():
    for question in QUESTIONS:
        task = DEMO_TASKS[question.task]
        assert question.expected in (task.labels or (1.0, 5.0))
        assert question.text not in {row.text for row in clean_rows(question.task, 0, 1300)}


@pytest.mark.parametrize(
    ("question", "given", "probability", "line"),
    [
        (Question("intent", "A.", "refund"), "refund", 0.9, "  intent   refund (0.90)     A."),
        (
            Question("intent", "A.", "refund"),
            "cancel",
            0.5,
            "  intent   cancel (0.50)     A.   WRONG, expected refund",
        ),
        (Question("urgency", "A.", 5.0), 4.2, None, "  urgency  4.2 of 5          A."),
        (Question("urgency", "A.", 5.0), 3.7, None, "  urgency  3.7 of 5          A.   WRONG, expected 5.0"),
    ],
)
def test_a_wrong_answer_says_so_in_its_line(question, given, probability, line):
    answer = Answer(question, given, probability)
    assert answer.to_line() == line
    assert answer.is_right == ("WRONG" not in line)


@pytest.fixture(name="binaries")
def _binaries() -> Iterator[Binaries]:
    binaries = Binaries()
    yield binaries
    binaries.close()


def test_an_exported_model_answers_all_questions(tmp_path, binaries):
    def run(name: str, *arguments: str) -> str:
        result = binaries.run(name, *arguments)
        assert result.status == 0, result.stderr
        return result.stdout

    write_demo_corpus(tmp_path / "corpus", 0, 12, 12, 12, 12)
    run(
        "train",
        *(f"--task_file={tmp_path}/corpus/tasks.yaml", f"--cache_dir={tmp_path}/cache", "--backbone=tiny"),
        *(f"--output_dir={tmp_path}/run", "--epochs=1", "--max_sequence_length=128", "--evaluation=end"),
    )
    run("export", f"--run={tmp_path}/run", f"--export_dir={tmp_path}/export", "--warmup_batch_sizes=")
    answers = answer_questions(tmp_path / "export" / "1")
    assert [answer.question for answer in answers] == list(QUESTIONS)
    assert all(answer.given in DEMO_TASKS[answer.question.task].labels for answer in answers[:6])
    printed = run("demo_answers", f"--model={tmp_path}/export/1").splitlines()
    assert printed == [*(answer.to_line() for answer in answers), printed[-1]]
    assert printed[-1] == f"{sum(answer.is_right for answer in answers)} of 8 right"


def test_a_folder_without_a_model_is_refused(tmp_path, binaries):
    result = binaries.run("demo_answers", f"--model={tmp_path}")
    assert result.status == 1
    assert result.stderr == f"error: --model must be a folder with saved_model.pb, got {tmp_path}\n"
