"""Draws what a camera sees that watches a walkway: a set of clips, or hours of its endless video."""

from pipeline.errors import SourceError
from pipeline.synthesize.clips import draw_clips
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.synthesize.endless import draw_hours
from pipeline.synthesize.scene import View
from pipeline.synthesize.summary import Summary
from shards.errors import os_error_line
from shards.locations import shown


def synthesize(config: SynthesizeConfig) -> Summary:
    """Write the video.

    Raises:
        SourceError: the folder holds something else already, or cannot be written.
        ConfigError: it holds hours that were drawn with other options.
        BusyError: another process is drawing into it.
    """
    height, width = config.size
    view = View(aspect=width / height, rate=config.rate, person_height=config.person_height)
    try:
        return draw_clips(config, view) if config.hours is None else draw_hours(config, config.hours, view)
    except OSError as error:
        raise SourceError(f"{shown(config.out)}: cannot be written: {os_error_line(error, '')}") from error
