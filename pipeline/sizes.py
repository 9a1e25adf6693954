"""What frame sizes the networks take, for options that are checked before torch is there."""

SIZE_STEP = 8
"""Height and width are multiples of it: the networks halve them three times."""
