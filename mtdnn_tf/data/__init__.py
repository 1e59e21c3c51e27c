"""From examples to batches of word pieces."""
