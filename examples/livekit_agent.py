"""A LiveKit voice agent that knows how its user sounds. It runs offline, without a room.

Needs `pip install 'livemood[livekit]'`. Give it recordings, 16-bit mono WAV, one for each turn of
the user. Speech recognition and the language model are scripted here: in your agent, leave out
`ScriptedRecognition` and `ScriptedModel`, and give the session your services.

    python examples/livekit_agent.py turn1.wav turn2.wav
"""

import asyncio
import sys
import wave
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, ModelSettings, llm, stt
from livekit.agents.voice.io import AudioInput

from livemood.integrations.livekit import LivemoodAgent

BLOCK_S = 0.02


class Recordings(AudioInput):
    """Stands where a room would: one recording after the other, silence in between."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__(label="recordings")
        self.speaking = False
        self.answered = asyncio.Event()
        self.over = asyncio.Event()
        self._frames = self._play(paths)

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.__anext__()

    async def _play(self, paths: list[str]) -> AsyncIterator[rtc.AudioFrame]:
        for path in paths:
            with wave.open(path) as recording:
                rate = recording.getframerate()
                count = round(BLOCK_S * rate)
                self.speaking = True
                while pcm := recording.readframes(count):
                    yield rtc.AudioFrame(pcm, rate, 1, len(pcm) // 2)
                    await asyncio.sleep(BLOCK_S)
            self.speaking = False
            while not self.answered.is_set():
                yield rtc.AudioFrame(bytes(2 * count), rate, 1, count)
                await asyncio.sleep(BLOCK_S)
            self.answered.clear()
        self.over.set()


class ScriptedRecognition(Agent):
    """Stands where speech recognition would: each turn ends with its recording."""

    recordings: Recordings

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[stt.SpeechEvent]:
        speaking = False
        async for _ in audio:
            if speaking == self.recordings.speaking:
                continue
            speaking = self.recordings.speaking
            if speaking:
                yield stt.SpeechEvent(stt.SpeechEventType.START_OF_SPEECH)
            else:
                said = [stt.SpeechData(language="en", text="(what was said)", confidence=1.0)]
                yield stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=said)
                yield stt.SpeechEvent(stt.SpeechEventType.END_OF_SPEECH)


class NamedRecognition(stt.STT):
    """Speech recognition must be named; `ScriptedRecognition.stt_node` works in its place."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError


class ScriptedModel(llm.LLM):
    """A language model must be named; `Assistant.llm_node` answers in its place."""

    def chat(self, **_: Any) -> llm.LLMStream:
        raise NotImplementedError


class Assistant(LivemoodAgent, ScriptedRecognition):
    """Prints what the language model would read."""

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: Any, model_settings: ModelSettings
    ) -> AsyncIterator[str]:
        heard = [item for item in chat_ctx.items if item.type == "message" and item.role == "user"]
        print(" ".join(map(str, heard[-1].content)), flush=True)
        self.recordings.answered.set()
        yield "I see."


async def main(paths: list[str]) -> None:
    """One turn of the user for each recording."""
    assistant = Assistant(instructions="Answer kindly.")
    assistant.recordings = Recordings(paths)
    session: AgentSession[None] = AgentSession(
        stt=NamedRecognition(),
        llm=ScriptedModel(),
        vad=None,
        turn_handling={"turn_detection": "stt"},
    )
    session.input.audio = assistant.recordings
    await session.start(assistant)
    await assistant.recordings.over.wait()
    await session.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
