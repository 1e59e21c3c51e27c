from mtdnn_tf.text_tables import aligned_table, markdown_table

_ROWS = [("model", "task", "score"), ("a|b", "rte", "100.0"), ("student", "mnli", "9.5")]


def test_text_is_aligned_to_the_left_and_numbers_to_the_right():
    assert aligned_table(_ROWS, num_text_columns=2).splitlines() == [
        "model    task  score",
        "a|b      rte   100.0",
        "student  mnli    9.5",
    ]
    assert aligned_table([("a", "b"), ("", "")]) == "a  b\n\n"


def test_a_bar_does_not_end_a_markdown_cell():
    assert markdown_table(_ROWS, num_text_columns=2).splitlines() == [
        "| model | task | score |",
        "| --- | --- | ---: |",
        "| a\\|b | rte | 100.0 |",
        "| student | mnli | 9.5 |",
    ]
