"""How much faster than real time `analyze` reads conversation, on one core and on two.

Files of conversation, an hour in all, are read by `livemood analyze` with `--jobs 1` and with
`--jobs 2`, the whole command timed, start included. The first is held to one core, the second to
two. `by_processor` counts the processor time of the first in place of the wall clock: what a core
would do that has nothing else to do. Linux only.

Aim: 300 times real time on one core, and nearly twice that with two jobs.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import soundfile as sf

from livemood.model import load_model

AIM = 300.0
ANALYZE = [sys.executable, "-m", "livemood", "analyze"]


def analyze(files: list[Path], jobs: int, model: str) -> tuple[float, float]:
    """Seconds that the command takes on as many cores as jobs: by the clock, of processors."""
    cores = set(range(jobs))
    with tempfile.TemporaryDirectory(prefix="livemood-") as out:
        began, before = time.perf_counter(), processor_s()
        subprocess.run(
            [*ANALYZE, *map(str, files), "--jobs", str(jobs), "--model", model, "--out", out],
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        took = time.perf_counter() - began, processor_s() - before
        if len(list(Path(out).iterdir())) != len(files):
            raise SystemExit("not every file has a timeline")
    return took


def processor_s() -> float:
    """Processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--runs", type=int, help="of each; 3, or 1 with --quick")
    args = parser.parse_args()
    around = common.surroundings()
    minutes = 2 if args.quick else 30
    model = str(Path(args.model).resolve()) if Path(args.model).is_dir() else args.model
    times: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="livemood-") as folder:
        files = [Path(folder) / f"conversation-{n}.wav" for n in range(2)]
        for number, path in enumerate(files):
            sound = common.conversation(60.0 * minutes, args.seed + number)
            sf.write(path, sound, common.RATE, subtype="PCM_16")
        seconds = 2 * 60.0 * minutes
        for _ in range(args.runs or (1 if args.quick else 3)):
            for jobs, took in times.items():
                took.append(analyze(files, jobs, model))
    speeds = {jobs: [seconds / took for took, _ in values] for jobs, values in times.items()}
    result: dict = {
        f"times_real_time_{jobs}_jobs": common.quantiles(values, 0, 50, 100)
        for jobs, values in speeds.items()
    }
    one, two = (result[f"times_real_time_{jobs}_jobs"]["p50"] for jobs in (1, 2))
    by_processor = common.quantiles([seconds / used for _, used in times[1]], 0, 50, 100)
    result |= {"gain_of_two_jobs": round(two / one, 2), "by_processor": by_processor}
    result |= {"sound_s": seconds, "aim": AIM, "met": one >= AIM}
    result["model"] = common.model_info(load_model(model, "cpu"))
    common.report("analyze", {**result, **around}, quick=args.quick)


if __name__ == "__main__":
    main()
