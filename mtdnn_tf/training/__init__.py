"""The training step, optimizers, checkpoints and distribution strategies."""
