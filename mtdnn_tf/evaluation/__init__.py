"""Predictions, metrics, and the tables made from them."""
