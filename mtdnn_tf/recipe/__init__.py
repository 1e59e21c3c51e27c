"""The whole job as stages: teachers, soft targets, baselines, student, evaluation, report (1904.09482 sec. 3-4)."""
