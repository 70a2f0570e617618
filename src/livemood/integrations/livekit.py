"""LiveKit Agents: how the user sounded, at the head of the user's message.

`pip install 'livemood[livekit]'`, then make it the first base of your agent:

    from livemood.integrations.livekit import LivemoodAgent

    class Assistant(LivemoodAgent):
        ...

Written for and tested with livekit-agents 1.8.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from livekit import rtc
from livekit.agents import Agent, ModelSettings, llm

from livemood.integrations.turns import TurnSummary
from livemood.integrations.voice_agent import UserVoice


class LivemoodAgent(Agent):
    """An agent whose language model reads how each turn of the user sounded.

    The audio that goes to speech recognition is read by a thread of livemood on its way, so the
    reading is there when the turn ends and nothing waits. Override `on_turn` to use it yourself.
    """

    def __init__(
        self,
        *,
        session_arguments: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ANN401 - those of Agent
    ) -> None:
        """`session_arguments` are arguments of `livemood.Session`."""
        super().__init__(**kwargs)
        self._voice = UserVoice(**(session_arguments or {}))

    def stt_node(self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings) -> Any:  # noqa: ANN401 - the framework's
        """Listen to the audio on its way to speech recognition."""
        return super().stt_node(self._listened(audio), model_settings)

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        """Head the user's message with how the turn sounded."""
        summary = self._voice.end_turn()
        if summary is not None:
            self.on_turn(summary)
            new_message.content = [summary.perception(), *new_message.content]
        await super().on_user_turn_completed(turn_ctx, new_message)

    def on_turn(self, summary: TurnSummary) -> None:
        """Called with the summary of each turn that had speech enough."""

    async def on_exit(self) -> None:
        """The agent leaves: its session ends."""
        await asyncio.to_thread(self._voice.close)
        await super().on_exit()

    async def _listened(
        self, audio: AsyncIterable[rtc.AudioFrame]
    ) -> AsyncIterator[rtc.AudioFrame]:
        async for frame in audio:
            self._voice.push(frame.data.cast("B"), frame.sample_rate, frame.num_channels)
            yield frame
