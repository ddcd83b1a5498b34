"""The top level: what the experts say of a picture becomes one calibrated probability."""
