import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.training.strategies import connect_tpu, make_strategy


@pytest.mark.parametrize(
    "address", ["local", "grpc://127.0.0.1:1", "grpc://nowhere", "grpc://h:99999", "", "nobodys-tpu"]
)
def test_without_a_tpu_one_line_says_so(address):
    with pytest.raises(UserError, match=r"no TPU is found at `tpu=.*accepted: local") as caught:
        connect_tpu(address)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 450


def test_the_strategy_of_a_tpu_is_asked_for_by_name():
    with pytest.raises(UserError, match=r"no TPU is found at `tpu=grpc://127\.0\.0\.1:1` "):
        make_strategy("tpu", "grpc://127.0.0.1:1")
