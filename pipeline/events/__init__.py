"""What happened before a camera: events, and the log that keeps them."""
