"""Shard sets: plain webdataset tars of frame segments with a manifest, and how to write and stream them.

Knows tars, arrays and file systems, and nothing of the method.
"""
