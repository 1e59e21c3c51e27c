"""The Python interface. `import mtdnn_tf` offers its public names."""
