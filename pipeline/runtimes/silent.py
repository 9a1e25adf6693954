"""OpenVINO, which would report to its maker that it was imported, from where.

Its own substitute, which reports nothing, is taken in place of the package that reports. Whoever needs
OpenVINO takes it from here.
"""

import sys

from pipeline.errors import missing_package

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
try:
    import openvino
except ImportError as error:
    raise missing_package("openvino", "openvino", "openvino") from error

HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
"""How OpenVINO calls a precision; with int8 it is that of what is not quantised."""

__all__ = ["HINTS", "openvino"]
