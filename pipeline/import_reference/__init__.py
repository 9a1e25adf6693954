"""Import: published weights in, a checkpoint of this project out, without running code from the file."""

from pipeline.import_reference.config import ImportConfig
from pipeline.import_reference.run import import_reference

__all__ = ["ImportConfig", "import_reference"]
