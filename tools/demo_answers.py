"""Answers the demo's test messages with its exported model, using only TensorFlow and TF.Text."""

from __future__ import annotations

from mtdnn_tf.commands.program import Command
from mtdnn_tf.demo.answers import answer_questions
from mtdnn_tf.errors import UserError
from mtdnn_tf.flags.paths import define_path

_MODEL = define_path("model", "Folder of the exported version, with saved_model.pb.")


def main() -> None:
    folder = _MODEL.value
    if not (folder / "saved_model.pb").is_file():
        raise UserError(f"--model must be a folder with saved_model.pb, got {folder}")
    answers = answer_questions(folder)
    for answer in answers:
        print(answer.to_line())
    print(f"{sum(answer.is_right for answer in answers)} of {len(answers)} right")


if __name__ == "__main__":
    Command(main, required=("model",)).run()
