"""The command-line binaries."""
