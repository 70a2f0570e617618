"""What one 3 s window costs on one thread, against openSMILE's eGeMAPS functionals.

Each window of real speech is read in turn by livemood (features of the whole window, then the
network) and by openSMILE (feature set eGeMAPSv02, functionals, one worker: features only, without
any classifier), so that whatever else the machine does meets both alike. Live, livemood is cheaper
still: it computes the features of each frame once, not once a window. openSMILE is called in two
ways: `process_signal`, the documented one, which returns a table, and `smile(...)`, which spares
the table.

Aim: livemood's median at least 10 times below that of openSMILE's `process_signal`.
"""

import time
from collections import defaultdict

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import opensmile

from livemood.model import load_model

AIM = 10.0
WINDOW = 3 * common.RATE
WARM_UP = 5


def windows(count: int, seed: int) -> list[np.ndarray]:
    """Stretches of 3 s, spread over a conversation."""
    sound = common.conversation(max(30.0, count / 2), seed)
    starts = np.linspace(0, len(sound) - WINDOW, count).astype(int)
    return [sound[start : start + WINDOW] for start in starts]


def measure(sounds: list[np.ndarray], model, smile, float_model=None) -> dict[str, list[float]]:
    """Milliseconds by what was measured; the first `WARM_UP` windows do not count."""
    spent = defaultdict(list)

    def timed(name: str, work, *args):
        began = time.perf_counter()
        out = work(*args)
        spent[name].append(1000 * (time.perf_counter() - began))
        return out

    for sound in sounds:
        features = timed("features", model.front_end, sound)
        timed("model", model.classify, [features])
        if float_model:
            timed("float_model", float_model.classify, [float_model.front_end(sound)])
        timed("opensmile", smile.process_signal, sound, common.RATE)
        timed("opensmile_bare", smile, sound, common.RATE)
    spent["livemood"] = [sum(pair) for pair in zip(spent["features"], spent["model"], strict=True)]
    return {name: values[WARM_UP:] for name, values in spent.items()}


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--windows", type=int, help="how many; 600, or 60 with --quick")
    parser.add_argument("--float", metavar="DIR", help="a float32 model, to compare its network")
    args = parser.parse_args()
    around = common.surroundings()
    model = load_model(args.model, "cpu")
    model.warm_up()
    float_model = load_model(args.float, "cpu") if args.float else None
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
        num_workers=1,
    )
    count = args.windows or (60 if args.quick else 600)
    spent = measure(windows(count + WARM_UP, args.seed), model, smile, float_model)
    result: dict = {f"{k}_ms": common.quantiles(v, 25, 50, 75) for k, v in sorted(spent.items())}
    ours = np.median(spent["livemood"])
    times = {name: float(np.median(spent[name]) / ours) for name in ("opensmile", "opensmile_bare")}
    for name, value in times.items():
        result[f"times_cheaper_than_{name}"] = round(value, 2)
    result |= {"windows": count, "aim": {"times_cheaper_than_opensmile": AIM}}
    result["met"] = times["opensmile"] >= AIM
    result["model"] = common.model_info(model)
    if float_model:
        result["float_model"] = common.model_info(float_model)
    result["opensmile_version"] = opensmile.__version__
    common.report("window_cost", {**result, **around}, quick=args.quick)


if __name__ == "__main__":
    main()
