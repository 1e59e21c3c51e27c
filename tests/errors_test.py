from mtdnn_tf.errors import unknown_name


def test_a_near_name_is_offered():
    error = unknown_name("task", "mrcp", ["rte", "mrpc"], "tasks.yaml:3")
    assert str(error) == "tasks.yaml:3: unknown task 'mrcp'; did you mean 'mrpc'? Accepted: mrpc, rte"


def test_a_far_name_lists_what_is_accepted():
    assert str(unknown_name("task", "x", ["rte", "mrpc"])) == "unknown task 'x'. Accepted: mrpc, rte"
