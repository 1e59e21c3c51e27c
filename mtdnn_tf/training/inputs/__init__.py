"""What a training run is trained on."""
