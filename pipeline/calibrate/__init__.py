"""Normal video to a calibration: what is unusual, and how often it happens."""
