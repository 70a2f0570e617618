"""What livemood adds to a voice agent's answer, after the end of the user's turn.

Recordings are spoken, 20 ms a block and in real time, into an agent of the real framework, which
must be installed: Pipecat (extra `pipecat`) or LiveKit (extra `livekit`), each in an environment of
its own. Speech recognition and the language model are scripted, as in `examples/`. `added_ms` is,
in LiveKit, the call by which livemood heads the user's message; in Pipecat, the time from when the
end of a turn is handed to livemood's processor until it hands it on, any queue included. `--model`
is not used: agents read with the default. Beside the framework it needs psutil, soundfile and soxr.

Aim: the 95th percentile under 5 ms.
"""

import asyncio
import importlib.util
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import soundfile as sf

AIM_P95_MS = 5.0
TURNS, QUICK_TURNS = 40, 6
LONGEST_S = 2.0
"""Of a turn: what is read of it then, its length does not change."""
sys.path.insert(0, str(common.REPO / "examples"))


def recordings(count: int, seed: int, folder: Path) -> list[str]:
    """So many turns as WAV files of 16 bits."""
    paths = []
    for n, clip in enumerate(common.clips(count, seed)):
        path = folder / f"{n}.wav"
        sf.write(path, clip[: round(LONGEST_S * common.RATE)], common.RATE, subtype="PCM_16")
        paths.append(str(path))
    return paths


async def pipecat(paths: list[str]) -> list[float]:
    """Milliseconds from when the end of each turn came to livemood's processor until it left."""
    import pipecat_agent as example
    from pipecat.frames.frames import EndFrame, LLMContextFrame
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.pipeline.worker import PipelineWorker
    from pipecat.processors.aggregators.llm_context import LLMContext
    from pipecat.processors.aggregators.llm_response_universal import (
        LLMContextAggregatorPair,
        LLMUserAggregatorParams,
    )
    from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
    from pipecat.turns.user_turn_strategies import UserTurnStrategies
    from pipecat.workers.runner import WorkerRunner

    from livemood.integrations.pipecat import LivemoodProcessor

    taken: list[float] = []
    passed = asyncio.Event()

    class Timed(LivemoodProcessor):
        """Livemood's processor, and when the end of a turn comes and leaves."""

        came = 0.0

        async def queue_frame(self, frame, *args, **kwargs) -> None:
            if isinstance(frame, LLMContextFrame):
                self.came = time.perf_counter()
            await super().queue_frame(frame, *args, **kwargs)

        async def push_frame(self, frame, *args, **kwargs) -> None:
            if isinstance(frame, LLMContextFrame):
                taken.append(1000 * (time.perf_counter() - self.came))
                passed.set()
            await super().push_frame(frame, *args, **kwargs)

    stop = [SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.2)]
    turns = LLMUserAggregatorParams(user_turn_strategies=UserTurnStrategies(stop=stop))
    aggregators = LLMContextAggregatorPair(LLMContext(), user_params=turns)
    worker = PipelineWorker(Pipeline([aggregators.user(), Timed()]), cancel_on_idle_timeout=False)
    started = asyncio.Event()
    worker.add_event_handler("on_pipeline_started", lambda *_: started.set())

    async def talk() -> None:
        await started.wait()
        for path in paths:
            await example.speak(worker, path)
            await passed.wait()
            passed.clear()
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), talk())
    return taken


async def livekit(paths: list[str]) -> list[float]:
    """What the call at the end of each turn took; it passes no queue."""
    import livekit_agent as example
    from livekit.agents import AgentSession

    taken: list[float] = []

    class Timed(example.Assistant):
        """The example's agent, its turn's end timed."""

        async def on_user_turn_completed(self, turn_ctx, new_message) -> None:
            began = time.perf_counter()
            await super().on_user_turn_completed(turn_ctx, new_message)
            taken.append(1000 * (time.perf_counter() - began))

    assistant = Timed(instructions="Answer kindly.")
    assistant.recordings = example.Recordings(paths)
    session = AgentSession(
        stt=example.NamedRecognition(),
        llm=example.ScriptedModel(),
        vad=None,
        turn_handling={"turn_detection": "stt"},
    )
    session.input.audio = assistant.recordings
    await session.start(assistant)
    await assistant.recordings.over.wait()
    await session.aclose()
    return taken


FRAMEWORKS = {"pipecat": ("pipecat-ai", pipecat), "livekit": ("livekit-agents", livekit)}


def main() -> None:
    """Measure the framework that is installed."""
    parser = common.arguments(__doc__)
    options = parser.parse_args()
    name = next((n for n in FRAMEWORKS if importlib.util.find_spec(n)), None)
    if name is None:
        print("no framework is installed: pip install 'livemood[pipecat]'", file=sys.stderr)
        raise SystemExit(2)
    package, measure = FRAMEWORKS[name]
    around = common.surroundings()
    count = QUICK_TURNS if options.quick else TURNS
    with tempfile.TemporaryDirectory() as folder:
        taken = asyncio.run(measure(recordings(count, options.seed, Path(folder))))
    ms = common.quantiles(taken, 50, 95, 100)
    result = {
        **around,
        "framework": f"{package} {version(package)}",
        "turns": len(taken),
        "added_ms": ms,
        "aim_p95_ms": AIM_P95_MS,
    }
    common.report(f"agent_latency_{name}", result, quick=options.quick)


if __name__ == "__main__":
    main()
