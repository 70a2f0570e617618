"""A Pipecat voice agent that knows how its user sounds. It runs offline.

Needs `pip install 'livemood[pipecat]'`, in an environment of its own. Give it recordings, 16-bit
mono WAV, one for each turn of the user. Speech recognition and the language model are scripted
here: in your agent, put your services in their places and a transport in place of the recordings.

    python examples/pipecat_agent.py turn1.wav turn2.wav
"""

import asyncio
import sys
import wave

from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    LLMContextFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from livemood.integrations.pipecat import LivemoodProcessor

BLOCK_S = 0.02


class ScriptedModel(FrameProcessor):
    """Stands where a language model would: prints what that model would read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            print(frame.context.messages[-1]["content"], flush=True)
            self.asked.set()
        await self.push_frame(frame, direction)


async def speak(worker: PipelineWorker, path: str) -> None:
    """Send a recording as a transport would, at the pace of time."""
    with wave.open(path) as recording:
        rate = recording.getframerate()
        await worker.queue_frame(VADUserStartedSpeakingFrame())
        while pcm := recording.readframes(round(BLOCK_S * rate)):
            await worker.queue_frame(InputAudioRawFrame(pcm, rate, 1))
            await asyncio.sleep(BLOCK_S)
    await worker.queue_frame(VADUserStoppedSpeakingFrame())
    words = TranscriptionFrame("(what was said)", "user", "", finalized=True)
    await worker.queue_frame(words)


async def main(paths: list[str]) -> None:
    """One turn of the user for each recording."""
    stop = [SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.2)]
    turns = LLMUserAggregatorParams(user_turn_strategies=UserTurnStrategies(stop=stop))
    aggregators = LLMContextAggregatorPair(LLMContext(), user_params=turns)
    model = ScriptedModel()
    pipeline = Pipeline([aggregators.user(), LivemoodProcessor(), model])
    worker = PipelineWorker(pipeline, cancel_on_idle_timeout=False)
    started = asyncio.Event()
    worker.add_event_handler("on_pipeline_started", lambda *_: started.set())

    async def talk() -> None:
        await started.wait()
        for path in paths:
            await speak(worker, path)
            await model.asked.wait()
            model.asked.clear()
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), talk())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
