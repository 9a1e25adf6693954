"""Words that options and manifests share; importing this module costs nothing, so --help can show them."""

from typing import Literal, get_args

Split = Literal["training", "testing"]
SPLITS: tuple[Split, ...] = get_args(Split)

CodecName = Literal["raw", "deflate", "jpeg"]

CacheName = Literal["none", "ram", "device"]
CACHES: tuple[CacheName, ...] = get_args(CacheName)
