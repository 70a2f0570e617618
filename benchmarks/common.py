"""What the benchmarks share: one thread, real speech, and how a result is reported.

Import it before anything that imports numpy: numerical libraries read their thread settings once.
"""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import psutil
import soundfile as sf
import soxr

REPO = Path(__file__).resolve().parent.parent
RATE = 16000
"""Of the recordings, in Hz."""
NOISE = 10 ** (-60 / 20)
"""Background noise under a conversation: -60 dB of full scale."""


def arguments(doc: str) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes; `doc` is the script's docstring."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s; writes no result file")
    parser.add_argument("--model", default="default", help="a shipped model, or a model's folder")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of speech")
    return parser


def clips(count: int, seed: int) -> list[np.ndarray]:
    """`count` recordings from RAVDESS, float32, without the silence at their ends.

    None comes twice before every other has come. Ends the program with 2 where there are none.
    """
    folder = Path(os.environ.get("LIVEMOOD_CORPORA", REPO.parent / "shared" / "corpora"))
    table = folder / "ravdess" / "metadata.csv"
    if not table.is_file():
        where = "set LIVEMOOD_CORPORA to the folder that holds ravdess/metadata.csv"
        print(f"no recordings to measure with: {where}", file=sys.stderr)
        raise SystemExit(2)
    with table.open(encoding="utf-8", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    rng, chosen = np.random.default_rng(seed), list[int]()
    while len(chosen) < count:
        left = min(count - len(chosen), len(paths))
        chosen += rng.choice(len(paths), left, replace=False).tolist()
    return [_trimmed(sf.read(table.parent / paths[i], dtype="float32")[0]) for i in chosen]


def conversation(seconds: float, seed: int) -> np.ndarray:
    """Recordings with pauses of 0.1 to 1.5 s between them, over faint noise; float32 at `RATE`."""
    return _with_pauses(seconds, seed, 0.1, 1.5)


def _with_pauses(seconds: float, seed: int, shortest: float, longest: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    length = round(seconds * RATE)
    parts: list[np.ndarray] = []
    for clip in clips(1 + int(seconds), seed):  # no clip is shorter than a second
        parts += [np.zeros(round(rng.uniform(shortest, longest) * RATE), np.float32), clip]
    sound = np.concatenate(parts)[:length]
    return sound + rng.normal(0, NOISE, len(sound)).astype(np.float32)


def one_side(seconds: float, seed: int) -> np.ndarray:
    """One side of a conversation: recordings with pauses of 0.3 to 6 s, in which others speak."""
    return _with_pauses(seconds, seed, 0.3, 6.0)


def mu_law(sound: np.ndarray) -> bytes:
    """`sound` at 8 kHz as G.711 mu-law (ITU-T G.711)."""
    from livemood.sources.rtp.formats.payload import STATIC

    decode = STATIC.sound[0].new_decoder()
    levels = decode(bytes(range(256)))[:, 0]
    order = np.argsort(levels, kind="stable")
    middles = (levels[order][1:] + levels[order][:-1]) / 2
    narrow = soxr.resample(sound, RATE, 8000)
    return order[np.searchsorted(middles, narrow)].astype(np.uint8).tobytes()


@contextmanager
def conversation_file(seconds: float, seed: int) -> Iterator[Path]:
    """A `conversation` as a temporary WAV file."""
    with tempfile.TemporaryDirectory(prefix="livemood-") as folder:
        path = Path(folder) / "conversation.wav"
        sf.write(path, conversation(seconds, seed), RATE, subtype="PCM_16")
        yield path


def quantiles(values: list[float], *percents: int) -> dict[str, float]:
    """`values` at `percents`, as p50, p95 and so on."""
    return {f"p{p}": round(float(np.percentile(values, p)), 3) for p in percents}


def surroundings() -> dict:
    """Where and what is measured. Call it before the measurement: it tells the load then."""
    import livemood

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=REPO, capture_output=True, text=True)
        return done.stdout.strip()

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
            "load_before": round(psutil.getloadavg()[0], 2),
            "real_time_priority": _real_time(),
        },
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "onnxruntime": version("onnxruntime"),
            "livemood": livemood.__version__,
        },
        "commit": git("rev-parse", "HEAD") or None,
        "dirty": bool(git("status", "--porcelain", "--", ".", ":!benchmarks/results")),
    }


def model_info(model) -> dict:
    """Which model was measured."""
    manifest = model.manifest
    fields = ("name", "version", "precision", "parameters", "sha256")
    return {field: getattr(manifest, field) for field in fields}


def report(name: str, result: dict, *, quick: bool) -> None:
    """Print `result` as the last line; keep that of a full run in results/NAME.json."""
    result = {"benchmark": name, "quick": quick, **result}
    if not quick:
        path = REPO / "benchmarks" / "results" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result), flush=True)


def _trimmed(clip: np.ndarray) -> np.ndarray:
    """From 50 ms before the first to 50 ms after the last sample within 30 dB of the peak."""
    loud = np.flatnonzero(np.abs(clip) > np.abs(clip).max() * 10 ** (-30 / 20))
    margin = RATE // 20
    return clip[max(0, loud[0] - margin) : loud[-1] + margin]


def _real_time() -> bool:
    """Whether the scheduler puts this process before ordinary ones (`chrt -r 1`)."""
    if not hasattr(os, "sched_getscheduler"):
        return False
    return os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
