"""Scoring by ensembles of runs, and judging them."""
