"""Loggers that show a training while it runs: TensorBoard, MLflow, Weights & Biases."""
