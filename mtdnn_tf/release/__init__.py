"""The folder that a trained model is given away in."""
