"""A worker that does what it is told: answers, stays silent, or closes its output and lives on.

It ends by itself after a while, so that who waits for its end alone does not wait for ever.
"""

import os
import sys
import time

from pipeline.processes.workers import answering

LIVES = 20.0
"""Seconds that it lives after it was told what to do."""

if __name__ == "__main__":
    answer = answering()
    match sys.stdin.readline().strip():
        case "answer":
            answer(done=True)
        case "close":
            os.closerange(3, 64)
            os.close(1)
        case _:
            pass
    time.sleep(LIVES)
