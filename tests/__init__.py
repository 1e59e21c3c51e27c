import mtdnn_tf  # noqa: F401  Before any test imports TensorFlow: it decides which Keras that loads.
