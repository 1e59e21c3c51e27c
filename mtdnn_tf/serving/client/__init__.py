"""A client for any server that speaks TF Serving's APIs."""
