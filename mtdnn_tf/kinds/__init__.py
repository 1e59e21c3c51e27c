"""Kinds of tasks: what classification, regression and so on do differently, one module per kind."""
