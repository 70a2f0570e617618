"""How much faster an archive is read by two nodes of a Ray cluster than by one.

Files of conversation are read by `livemood analyze --ray` through a Ray cluster on this machine,
with one node of one processor, and with two, in turn. Each node stands for a machine: it has one
worker at a time, on one thread. Timed is the whole run, from the first file asked for to the last
one written; the start of the cluster is not, the start of its workers is. Ray gives its workers a
low priority (`RAY_worker_niceness`, 15), which is turned off here: beside other work they would
stand still. Aim: none; `load_average` says how much else there is to do.

    python benchmarks/ray_nodes.py               # 32 files of two minutes, two runs of each
    python benchmarks/ray_nodes.py --quick       # 4 files, one run of each
"""

import os
import tempfile
import time
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import soundfile as sf

from livemood.batch import ArchiveFile, ArchiveFolder, FileReader, Shard, read_archive
from livemood.batch.on_ray import read_on_ray
from livemood.engine import MonitorSettings
from livemood.sources import FileSource

FILE_S = 120.0


def read(files: list[ArchiveFile], nodes: int, model: str) -> dict:
    """Figures of one run on so many nodes."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        reader = FileReader(MonitorSettings(), model, "cpu", FileSource)
        with tempfile.TemporaryDirectory(prefix="livemood-") as out:
            folder = ArchiveFolder(Path(out) / "out", Shard(), reader.describe())
            began = time.perf_counter()
            state = read_archive(
                files, folder, lambda some: read_on_ray(some, reader, cluster.address), _pass
            )
            took = time.perf_counter() - began
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()
    if (state.read, state.failed) != (len(files), 0):
        raise SystemExit(f"{state.read} of {len(files)} files were read")
    row = {"nodes": nodes, "s": round(took, 1), "load_average": round(os.getloadavg()[0], 1)}
    print(row, flush=True)
    return row


def _pass(*_: object) -> None:
    """Progress is of no interest here."""


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--runs", type=int, help="of each; 2, or 1 with --quick")
    parser.add_argument("--files", type=int, help="32, or 4 with --quick")
    args = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray's own name; 15 by default
    around = common.surroundings()
    count = args.files or (4 if args.quick else 32)
    with tempfile.TemporaryDirectory(prefix="livemood-") as place:
        files = []
        for number in range(count):
            path = Path(place) / f"call-{number}.wav"
            if number < 4:
                sound = common.conversation(FILE_S, args.seed + number)
                sf.write(path, sound, common.RATE, subtype="PCM_16")
            else:
                os.link(Path(place) / f"call-{number % 4}.wav", path)
            files.append(ArchiveFile(path.name, str(path)))
        rows = []
        for run in range(args.runs or (1 if args.quick else 2)):
            for nodes in (1, 2) if run % 2 == 0 else (2, 1):
                rows.append(read(files, nodes, args.model))
    speeds = {
        nodes: common.quantiles(
            [FILE_S * count / r["s"] for r in rows if r["nodes"] == nodes], 0, 50
        )
        | {"p100": round(max(FILE_S * count / r["s"] for r in rows if r["nodes"] == nodes), 3)}
        for nodes in (1, 2)
    }
    result = {
        "files": count,
        "sound_s": FILE_S * count,
        "times_real_time": speeds,
        "two_nodes_over_one": round(speeds[2]["p50"] / speeds[1]["p50"], 2),
        "each": rows,
        "model": args.model,
    }
    common.report("ray_nodes", {**result, **around}, quick=args.quick)


if __name__ == "__main__":
    main()
