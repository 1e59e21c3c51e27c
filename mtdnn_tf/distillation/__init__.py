"""Soft targets and the losses that learn from them."""
