"""What a file in a run may claim at the most; for options too, so no library is loaded for it."""

MOST_SMOOTHING = 10_000
"""Sigma in frames; the time that smoothing takes grows with it."""
