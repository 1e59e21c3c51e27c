"""Commands that make models: from data and checkpoints to teachers, soft targets and students."""
