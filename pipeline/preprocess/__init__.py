"""Datasets as they are distributed, or any video, in; a shard set out.

`preprocess(config)` recognises the layout of a source, decodes each of its videos once, in order, in worker
processes, and writes shards, labels, masks and, last, the manifest. One video is one unit of work.
"""
