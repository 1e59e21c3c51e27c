"""The study of docs/evidence_plan.md: single-task, multi-task and distilled models on test rows."""
