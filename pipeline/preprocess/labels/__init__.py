"""Labels and pixel masks: where they are found, which formats they come in, and what they say of frames."""
