"""Sources of examples: files, saved Arrow data sets, TensorFlow Datasets."""
