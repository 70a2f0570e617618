"""What drivers print stays away; everything else is seen."""

import subprocess
import sys

PROGRAM = """
import ctypes, os, sys
from livemood.cli.live.driver_noise import without_driver_noise
with without_driver_noise():
    os.write(2, b"Expression 'x' failed in 'src/hostapi/alsa/pa_linux_alsa.c', line: 1\\n")
    os.write(2, b"ALSA lib pcm.c:2666:(snd_pcm_open_noupdate) Unknown PCM\\n")
    os.write(2, b"a library that has something to say\\n")
    print("our own line", file=sys.stderr)
os.write(2, b"Expression 'after'\\n")
print("the last line", file=sys.stderr)
"""


def test_only_what_drivers_print_by_themselves_is_kept_back():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert sorted(done.stderr.splitlines()) == [
        "Expression 'after'",
        "a library that has something to say",
        "our own line",
        "the last line",
    ]
