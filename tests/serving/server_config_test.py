from __future__ import annotations

import logging

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.server_config import (
    BATCHING,
    MODELS,
    batching_config,
    check_model_name,
    models_config,
    write_server_config,
)


def _batching_parameters():
    """Returns TF Serving's BatchingParameters, which its API's package lacks, by session_bundle_config.proto."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto",
        package="tensorflow.serving",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    message = file.message_type.add(name="BatchingParameters")
    for number, name in enumerate(
        ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"), 1
    ):
        message.field.add(
            name=name, number=number, type=field.TYPE_MESSAGE, label=1, type_name=".google.protobuf.Int64Value"
        )
    message.field.add(name="allowed_batch_sizes", number=6, type=field.TYPE_INT64, label=3)
    message.field.add(name="pad_variable_length_inputs", number=7, type=field.TYPE_BOOL, label=1)
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.BatchingParameters"))


def test_the_models_file_parses_as_tf_servings_and_names_one_model():
    config = text_format.Parse(models_config("answers"), model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("answers", "/models/answers", "tensorflow")
    # Without a policy the highest version is served.
    assert not model.HasField("model_version_policy")


def test_the_batching_file_parses_as_tf_servings_and_keeps_its_rules():
    parameters = text_format.Parse(batching_config((1, 8, 32)), _batching_parameters()())
    assert list(parameters.allowed_batch_sizes) == [1, 8, 32]
    assert parameters.max_batch_size.value == parameters.allowed_batch_sizes[-1]
    assert 0 <= parameters.batch_timeout_micros.value <= 10_000
    assert parameters.max_enqueued_batches.value > 0
    assert not parameters.HasField("num_batch_threads")
    assert parameters.pad_variable_length_inputs


def test_what_stands_is_kept(tmp_path, caplog):
    write_server_config(tmp_path, "answers", (1, 8))
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {MODELS: models_config("answers"), BATCHING: batching_config((1, 8))}
    (tmp_path / MODELS).write_text("# mine\n")
    with caplog.at_level(logging.INFO, logger="absl"):
        write_server_config(tmp_path, "answers", (1, 8))
    assert (tmp_path / MODELS).read_text() == "# mine\n"
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / MODELS}: kept as it stands; it differs from what this export would write"
    ]


def test_without_sizes_no_batching_is_configured(tmp_path):
    write_server_config(tmp_path, "answers", ())
    assert [path.name for path in tmp_path.iterdir()] == [MODELS]


@pytest.mark.parametrize("name", ["", "a/b", "a:b", ".hidden", "a b", "ä"])
def test_names_that_no_address_can_hold_are_refused(name):
    with pytest.raises(UserError, match="--model_name takes letters"):
        check_model_name(name)
