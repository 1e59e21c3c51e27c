"""Releases: folders to publish a trained model."""
