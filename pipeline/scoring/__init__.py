"""Scores: windows of frames in; a score per frame, tables, maps and figures of merit out."""
