"""Pipecat: how the user sounded, at the head of the user's message (extra `pipecat`).

    from livemood.integrations.pipecat import LivemoodProcessor

    pipeline = Pipeline([
        transport.input(), stt, aggregators.user(), LivemoodProcessor(), llm, ...
    ])

The text follows the Real-time Context Standard (RCS) 0.1, an alpha. Written for and tested with
pipecat-ai 1.14, which has no perception classes of its own. From 1.15 on the framework has readers
of its own, which head the user's message in the same form: this processor then adds its signals to
theirs. It was not tried with those versions.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from pipecat.frames.frames import CancelFrame, EndFrame, Frame, InputAudioRawFrame, LLMContextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from livemood.integrations.turns import TurnSummary
from livemood.integrations.voice_agent import UserVoice

RCS_VERSION = "0.1"
"""The version of the Real-time Context Standard that the text follows."""


class LivemoodProcessor(FrameProcessor):
    """Reads the user's audio as it comes, and heads the user's message with how it sounded.

    Put it between the user aggregator and the language model. Audio frames are read by a thread of
    livemood while the user speaks, so the reading is there when the turn ends and nothing waits.
    All frames are passed on at once: the processor runs in Pipecat's direct mode, without a queue.
    A turn of which too little was speech is left as it is.
    """

    def __init__(
        self,
        *,
        on_turn: Callable[[TurnSummary], object] | None = None,
        session: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ANN401 - those of FrameProcessor
    ) -> None:
        """`on_turn` is handed the summary of each turn; `session` are arguments of the session."""
        super().__init__(**{"enable_direct_mode": True, **kwargs})
        self._voice = UserVoice(**(session or {}))
        self._on_turn = on_turn
        self._headed: int | None = None
        """Place in the context of the message that was headed last."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take a frame, and pass it on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self._voice.push(frame.audio, frame.sample_rate, frame.num_channels)
        elif isinstance(frame, LLMContextFrame) and direction is FrameDirection.DOWNSTREAM:
            self._head(frame.context, speculative=bool(getattr(frame, "speculation", None)))
        elif isinstance(frame, EndFrame | CancelFrame):
            await asyncio.to_thread(self._voice.close)
        await self.push_frame(frame, direction)

    def _head(self, context: LLMContext, *, speculative: bool) -> None:
        messages: list[Any] = list(context.messages)
        place = len(messages) - 1
        if speculative or place < 0 or place == self._headed or not _is_said(messages[place]):
            return  # the answer to a tool call, a guess that may be taken back, or headed before
        summary = self._voice.end_turn()
        if summary is None:
            return
        text = summary.head(messages[place]["content"])
        messages[place] = {**messages[place], "content": text}
        context.set_messages(messages)
        self._headed = place
        if self._on_turn:
            self._on_turn(summary)


def _is_said(message: Any) -> bool:  # noqa: ANN401 - a dict, or what one language model alone reads
    return (
        isinstance(message, dict)
        and message.get("role") == "user"
        and isinstance(message.get("content"), str)
    )
