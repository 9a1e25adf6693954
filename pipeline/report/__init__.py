"""What people look at: the page of one evaluation or of several, plots for papers, pictures of frames.

A room and no stage: `evaluate` draws with it what it has just scored, and the command `report` draws again
from what lies on disk.
"""
