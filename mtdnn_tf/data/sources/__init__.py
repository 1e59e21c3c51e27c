"""Sources of examples: TSV, CSV and JSONL files, TensorFlow Datasets."""
