"""Scoring and predicting on Apache Beam, whose runners spread the work over many machines."""
