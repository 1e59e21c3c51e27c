"""An independent reference in plain PyTorch to measure the product against; no part of the product."""
