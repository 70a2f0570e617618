"""The process of a recogniser: stretches of sound on standard input, what was said on output.

Each stretch is one line of JSON (`samples`, `rate`) and as many float32 samples; each answer one
line of JSON. Live sound comes first, so it runs at low priority, on one thread.
"""

import json
import os
import sys
from typing import Any, Final

import numpy as np
import soxr

RATE: Final = 16000
LEAST_S: Final = 0.3
"""Less is no word."""


def main() -> None:
    """Recognise until standard input ends."""
    if sys.platform == "linux":  # where the parent runs in real time, this must not
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    if hasattr(os, "nice"):
        os.nice(10)
    folder, language = sys.argv[1:3]
    try:
        from faster_whisper import WhisperModel
    except ImportError:
        _say(failure="recognising speech needs: pip install 'livemood[whisper]'")
        return
    try:
        model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1)
    except Exception as error:  # CTranslate2 raises bare exceptions
        _say(failure=" ".join(str(error).split())[:200])
        return
    _say(ready=True)
    while line := sys.stdin.buffer.readline():
        head = json.loads(line)
        sound = np.frombuffer(sys.stdin.buffer.read(4 * head["samples"]), np.float32)
        _say(text=_text(model, sound, head["rate"], language))


def _text(model: Any, sound: np.ndarray[Any, Any], rate: int, language: str) -> str:  # noqa: ANN401
    if len(sound) < LEAST_S * rate:
        return ""
    segments, _ = model.transcribe(
        soxr.resample(sound, rate, RATE),
        language=language,
        beam_size=1,
        temperature=0.0,
        without_timestamps=True,
        condition_on_previous_text=False,
    )
    # What it takes for no speech it makes words of all the same.
    return " ".join(s.text.strip() for s in segments if s.no_speech_prob < 0.6).strip()


def _say(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
