"""The process that decodes video, with hardly any address space to do so."""

import av.subtitles.stream  # noqa: F401, loaded late by others, while there is room for it

from pipeline.processes import addressspace
from pipeline.video.decodingworker import main

addressspace.DECODING_SPACE = 40 << 20

if __name__ == "__main__":
    main()
