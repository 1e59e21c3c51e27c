"""Roles of compared models; a run's folder in a recipe has its role's name."""

from __future__ import annotations

SINGLE_TASK = "single-task"
MULTI_TASK = "multi-task"
TEACHER = "teacher"
ENSEMBLE = "ensemble"
STUDENT = "student"
FINE_TUNED_MULTI_TASK = "fine-tuned multi-task"
FINE_TUNED_STUDENT = "fine-tuned student"
ROLES = (SINGLE_TASK, MULTI_TASK, FINE_TUNED_MULTI_TASK, TEACHER, ENSEMBLE, STUDENT, FINE_TUNED_STUDENT)
