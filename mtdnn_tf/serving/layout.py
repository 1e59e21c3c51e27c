"""Where an export has its files, for those who write and those who serve it."""

# TensorFlow ignores this folder of a SavedModel.
DESCRIPTION = "assets.extra/mtdnn_tf.json"
SAVED_MODEL = "saved_model.pb"
ONNX_MODEL = "onnx/model.onnx"
