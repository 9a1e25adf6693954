"""The stages: preprocess, train, evaluate; and beside them what stages share.

Stages never import one another; they meet through what lies on disk.
"""
