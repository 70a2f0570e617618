"""What a hop would cost if nothing but its arithmetic took time, and how far we are from that.

The network's multiply-adds are counted node by node from the shapes that ONNX Runtime reports for a
hop of three new steps, and set against the rates that this machine reaches in large matrix products
on one thread: float32 in numpy's BLAS, 8 bits in ONNX Runtime (unsigned by signed, as the network's
convolutions). Nodes are timed by ONNX Runtime's own profile, which adds some microseconds to each;
the whole is timed without it. The features' floor is their FFTs alone, as numpy computes them.

No aim: it tells what an aim may be.
"""

import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from livemood.audio import Span
from livemood.model import find_model, load_model

STEPS = 3
SIZE = 512
"""Of the square matrices that the rates are measured with."""


def seconds(work, repeats: int) -> float:
    """The median of `repeats` runs."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def session(source: str | bytes, profile: str | None = None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    # As the product opens it: see `OnnxNetwork`.
    without = ["QDQPropagationTransformer"]
    return ort.InferenceSession(
        source, options, providers=["CPUExecutionProvider"], disabled_optimizers=without
    )


def rates(repeats: int) -> dict[str, float]:
    """Multiply-adds a second, in units of 10^9, of large matrix products."""
    rng = np.random.default_rng(0)
    square = rng.standard_normal((SIZE, SIZE)).astype(np.float32)
    weights = rng.integers(-64, 64, (SIZE, SIZE)).astype(np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["y"])],
        "product",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, (SIZE, SIZE))],
        [helper.make_tensor_value_info("y", TensorProto.INT32, (SIZE, SIZE))],
        [numpy_helper.from_array(weights, "b")],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    product = session(model.SerializeToString())
    values = {"a": rng.integers(0, 255, (SIZE, SIZE)).astype(np.uint8)}
    took = {
        "float32": seconds(lambda: square @ square, repeats),
        "int8": seconds(lambda: product.run(None, values), repeats),
    }
    return {name: round(SIZE**3 / t / 1e9, 2) for name, t in took.items()}


def nodes(path: Path, inputs: dict[str, np.ndarray], repeats: int) -> list[dict]:
    """Every node that runs for a hop: its kind, microseconds, and multiply-adds."""
    with tempfile.TemporaryDirectory(prefix="livemood-") as folder:
        running = session(str(path), str(Path(folder) / "hop"))
        for _ in range(repeats):
            running.run(None, inputs)
        events = json.loads(Path(running.end_profiling()).read_text("utf-8"))
    found: dict[str, dict] = {}
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            name, args = event["name"].removesuffix("_kernel_time"), event["args"]
            found.setdefault(name, {"us": [], "args": args})["us"].append(event["dur"])
    kernels = weights(path)
    out = []
    for name, row in found.items():
        kind = row["args"]["op_name"]
        kernel = next(kernels[kind.removeprefix("QLinear")], ())
        shape = next(iter(row["args"]["output_type_shape"][0].values()))
        macs = multiply_adds(kind.removeprefix("QLinear"), kernel, shape)
        us = round(statistics.median(row["us"]), 1)
        out.append({"node": name, "kind": kind, "us": us, "multiply_adds": macs})
    return out


def weights(path: Path) -> dict[str, Iterator[tuple[int, ...]]]:
    """Shapes of weights by the kind of node, in the order of nodes, which is that of running."""
    graph = onnx.load(str(path)).graph
    shapes = {i.name: tuple(i.dims) for i in graph.initializer}
    # Quantized weights stand behind a node that scales them.
    shapes |= {n.output[0]: shapes[n.input[0]] for n in graph.node if n.input[0] in shapes}
    found: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    for node in graph.node:
        given = [shapes[name] for name in node.input if len(shapes.get(name, ())) > 1]
        if given:
            found[node.op_type].append(given[0])
    return defaultdict(lambda: iter(()), {kind: iter(rows) for kind, rows in found.items()})


def multiply_adds(kind: str, weight: tuple[int, ...], output: list[int]) -> int:
    """Of one node, by the shapes of its weights and of what it gives; 0 if it multiplies none."""
    if not weight:
        return 0
    if kind == "Conv":
        return int(np.prod(output) * np.prod(weight[1:]))
    if kind == "MatMul":
        return int(np.prod(output) * weight[0])
    if kind == "GRU":  # its output is (steps, 1, batch, units), its weight (1, 3 units, width)
        steps, _, batch, units = output
        return int(steps * batch * weight[1] * (weight[2] + units))
    return 0


def main() -> None:
    parser = common.arguments(__doc__)
    # The operations it reckons with are those of the recurrent network.
    parser.set_defaults(model="small")
    args = parser.parse_args()
    around = common.surroundings()
    repeats = 60 if args.quick else 400
    model = load_model(args.model, "cpu")
    path = find_model(args.model) / model.manifest.file
    network = model._network
    span = model.grid.sound_of(Span(10, 10 + STEPS), fresh=False)
    frames = model.manifest.features.frames_in(len(span))
    sound = np.concatenate(common.clips(2, args.seed))[: len(span)]
    rng = np.random.default_rng(args.seed)
    overlap = model.grid.overlap
    features = rng.standard_normal((1, overlap + frames, model.manifest.features.mels))
    inputs = {"features": features.astype(np.float32)}
    batch = network.batch(1, overlap + frames, STEPS, fresh=False)
    batch.features[:] = inputs["features"]
    for spec, buffer in zip(network.interface.states, batch.states, strict=True):
        rows = rng.random(buffer.shape) * (64 if spec.dtype is np.uint8 else 1)
        buffer[:] = rows.astype(spec.dtype)
        inputs[spec.name] = buffer[np.newaxis] if spec.batch_axis else buffer
    padded = np.zeros((frames, model.manifest.features.fft_length), np.float32)

    rate = rates(20 if args.quick else 60)
    rows = nodes(path, inputs, repeats)
    eight_bits = sum(r["multiply_adds"] for r in rows if r["kind"].startswith("QLinear"))
    floats = sum(r["multiply_adds"] for r in rows) - eight_bits
    floor_us = eight_bits / rate["int8"] / 1e3 + floats / rate["float32"] / 1e3
    took = {
        "network": 1e6 * seconds(batch.run, repeats),
        "features": 1e6 * seconds(lambda: model.front_end(sound), repeats),
    }
    fft_us = 1e6 * seconds(lambda: np.fft.rfft(padded), repeats)
    result = {
        "steps": STEPS,
        "rates_gmac_s": rate,
        "network_multiply_adds": {"int8": eight_bits, "float32": floats},
        "network_us": round(took["network"], 1),
        "network_floor_us": round(floor_us, 1),
        "network_times_floor": round(took["network"] / floor_us, 2),
        "network_bytes": {
            "weights": path.stat().st_size,
            "kept_in_and_out": 2 * sum(a.nbytes for n, a in inputs.items() if n != "features"),
            "features": inputs["features"].nbytes,
        },
        "features_us": round(took["features"], 1),
        "features_fft_us": round(fft_us, 1),
        "features_times_fft": round(took["features"] / fft_us, 2),
        "nodes": sorted(rows, key=lambda r: -r["us"]),
        "model": common.model_info(model),
    }
    common.report("floor", {**result, **around}, quick=args.quick)


if __name__ == "__main__":
    main()
