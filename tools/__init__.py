"""Programs that run in a checkout: the commands of `mtdnn`, the demo, and the generators of files."""
