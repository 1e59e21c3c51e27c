"""Measures on arrays: metrics, averages, calibration, fidelity, statistics, cost."""
