"""Adaptation of trained encoders to a new task with few labels (1901.11504 sec. 4.4)."""
