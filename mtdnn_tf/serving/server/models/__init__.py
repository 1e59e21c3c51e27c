"""The models that a server answers with, and their versions."""
