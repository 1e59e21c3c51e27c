"""What a task is, and the tasks that are known by name."""
