"""The SavedModel that TF Serving answers from."""
