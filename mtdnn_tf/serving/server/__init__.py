"""A server for development that answers as TF Serving does."""
