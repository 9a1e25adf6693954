"""Frames from video and image files: what a frame is."""
