"""Optimizers, learning rates and their layers."""
