"""Commands that use models: evaluate, predict, compare, export, serve, verify."""
