"""Writes the figures of the README from the benchmarks' results.

`python scripts/make_figures.py` after a new model or a new benchmark; a test checks that the README
is up to date.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
CORPORA = {
    "ravdess": "RAVDESS (English, acted)",
    "nemo": "nEMO (Polish, acted)",
    "emospeech-in": "emospeech-in (India, own devices)",
    "emovo": "EMOVO (Italian, acted)",
}


def hearing():
    """One row for each model and corpus that `benchmarks/compare_models.py` read."""
    rows = [
        "| model | corpus | clips | emotions | chance | UAR | 30 dB quieter | telephone |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for model, read in _result("compare_models")["models"].items():
        for name, found in read["corpora"].items():
            whole = found["0 dB"]
            labels = len(whole["recall"])
            uar = " | ".join(f"{found[c]['uar']:.1f}" for c in ("0 dB", "-30 dB", "mulaw"))
            rows.append(
                f"| `{model}` {read['version']} | {CORPORA.get(name, name)} | {whole['clips']} "
                f"| {labels} | {100 / labels:.1f} | {uar} |"
            )
    return "\n".join(rows)


def speed():
    """What the benchmarks measured, with the model that each was run with."""
    latency, hop = _result("latency"), _result("hop_cost")
    direct, rtp = _result("density_direct_small"), _result("density_rtp_small")
    large = _result("density_direct_default")
    analyze, start = _result("analyze"), _result("startup")
    rows = [
        (
            "from sound to your program, in real time",
            f"median {latency['p50_ms']:.1f} ms, 95 % within {latency['p95_ms']:.1f} ms, "
            f"99 % within {latency['p99_ms']:.1f} ms",
            latency,
        ),
        (
            "processor and memory for one stream",
            f"{100 * latency['cpu_share']:.1f} % of one core, {latency['peak_mb']:.0f} MB",
            latency,
        ),
        (
            "one reading (four a second)",
            f"{hop['hop_ms']['p50']:.2f} ms: {hop['times_cheaper_than_opensmile']:.0f} times "
            f"cheaper than openSMILE eGeMAPSv02, {hop['times_cheaper_than_silero']:.0f} times "
            "cheaper than Silero VAD",
            hop,
        ),
        (
            "conversations on one core",
            f"{direct['streams']} (99 % within {direct['p99_ms']:.0f} ms); as RTP calls "
            f"{rtp['streams']} ({rtp['p99_ms']:.0f} ms)",
            direct,
        ),
        (
            "the same",
            f"{large['streams']} (99 % within {large['p99_ms']:.0f} ms)",
            large,
        ),
        (
            "`analyze` on one core",
            f"{analyze['by_processor']['p50']:.0f} times real time, by processor time",
            analyze,
        ),
        ("`listen` until it listens", f"{start['listening_s']['p50']:.2f} s", start),
    ]
    lines = ["| what | measured | model |", "| --- | --- | --- |"]
    lines += [f"| {what} | {found} | {_model(result)} |" for what, found, result in rows]
    return "\n".join(lines)


def _result(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text("utf-8"))


def _model(result):
    model = result.get("model")
    return f"`{model['name']}` {model['version']}" if model else ""


def document():
    """The README with its figures as they are now."""
    text = README.read_text("utf-8")
    for name, make in (("hearing", hearing), ("speed", speed)):
        begin, end = f"<!-- figures: {name} -->", "<!-- figures: end -->"
        block = f"{begin}\n\n{make()}\n\n{end}"
        text = re.sub(f"(?s){begin}.*?{end}", lambda _, block=block: block, text)
    return text


if __name__ == "__main__":
    README.write_text(document(), "utf-8")
