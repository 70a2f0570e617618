"""How long until livemood listens: fresh processes, the disk cache warm.

In turn, so that whatever else the machine does meets all alike: a Python that does nothing; one
that imports livemood; one that imports what no listening can do without (numpy and ONNX Runtime);
and `livemood listen` on a file, with its server, until its first event, `session.started`, is
printed, when the model is loaded and warm and sound is being taken.

Aim: listening in under 1.0 s, the import in under 0.2 s.
"""

import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded

LISTENING_S, IMPORT_S = 1.0, 0.2
PYTHON = [sys.executable, "-c"]
LISTEN = [sys.executable, "-m", "livemood", "listen", "--json", "--port", "0", "--file"]


def until_exit(command: list[str]) -> float:
    """Seconds until `command` has ended."""
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


def until_first_line(command: list[str]) -> float:
    """Seconds until `command` has printed a line."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        took = time.perf_counter() - began
        process.kill()
    if "session.started" not in line:
        raise SystemExit(f"not a session: {line!r}")
    return took


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--runs", type=int, help="of each; 20, or 3 with --quick")
    args = parser.parse_args()
    around = common.surroundings()
    runs = args.runs or (3 if args.quick else 20)
    spent = defaultdict(list)
    with common.conversation_file(30.0, args.seed) as path:
        listen = [*LISTEN, str(path), "--model", str(model_path(args.model))]
        until_first_line(listen)  # warms the disk cache
        for _ in range(runs):
            spent["python"].append(until_exit([*PYTHON, "pass"]))
            spent["import_livemood"].append(until_exit([*PYTHON, "import livemood"]))
            spent["import_onnxruntime"].append(until_exit([*PYTHON, "import onnxruntime"]))
            spent["listening"].append(until_first_line(listen))
    result: dict = {f"{k}_s": common.quantiles(v, 25, 50, 75) for k, v in spent.items()}
    own = result["import_livemood_s"]["p50"] - result["python_s"]["p50"]
    listening = result["listening_s"]["p50"]
    result |= {
        "import_alone_s": round(own, 3),
        "times_python_and_onnxruntime": round(listening / result["import_onnxruntime_s"]["p50"], 2),
        "aim": {"listening_s": LISTENING_S, "import_s": IMPORT_S},
        "met": listening < LISTENING_S and own < IMPORT_S,
        "runs": runs,
    }
    common.report("startup", {**result, **around}, quick=args.quick)


def model_path(name: str) -> str | Path:
    """A model's folder as an absolute path, or the name of a shipped one."""
    return Path(name).resolve() if Path(name).is_dir() else name


if __name__ == "__main__":
    main()
