"""Encoders and models on disk: formats of others and our own."""
