"""OpenCV without what its import does to child processes; the owner of cv2.

The import puts its own folder and a colon before what LD_LIBRARY_PATH held. Where it was not set, nothing
follows the colon, which to the dynamic loader means the current folder: every child process would load a
`libz.so.1` that lies there, and run it.
"""

import os

_before = os.environ.get("LD_LIBRARY_PATH")

import cv2  # noqa: E402

if _before is None:
    os.environ.pop("LD_LIBRARY_PATH", None)
else:
    os.environ["LD_LIBRARY_PATH"] = _before

__all__ = ["cv2"]
