"""Conversations strung from labelled clips, and what is true of every moment in them."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples
from livemood.speech.vad import SAMPLE_RATE, VoiceActivityDetector
from livemood.training.augment.degradation import NoiseBank, with_noise
from livemood.training.data.clips import Clip
from livemood.training.data.speech import speech_of

TICK_MS: Final = 10
"""What a conversation is judged by."""
BRIDGED_MS: Final = 300
"""A break of at most this between voiced frames is part of the speech around it."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Speech of one clip in a conversation, in ms, from its first voice to its last."""

    start_ms: int
    end_ms: int
    label: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """One side of a conversation: a speaker whose emotion lasts for a while, then changes."""

    speaker: str
    sound: Samples
    """16 kHz."""
    spoken: tuple[Spoken, ...]
    voiced: NDArray[np.bool_] | None = None
    """The ticks in which a reference detector hears speech; none if all of a clip counts."""


@dataclass(frozen=True, slots=True)
class ConversationSettings:
    """How conversations are strung."""

    seconds: float = 90.0
    """About how long one is."""
    dwell_s: float = 12.0
    """Mean time for which a label lasts, pauses included; drawn from an exponential."""
    pauses_s: tuple[float, float] = (0.3, 2.0)
    """Quiet between two clips, drawn evenly."""
    snr_db: float = 20.0
    """Level of the speech above noise that is there all the time, if there is any noise."""


def conversations(
    clips: Sequence[Clip],
    count: int,
    seed: int,
    settings: ConversationSettings | None = None,
    noise: NoiseBank | None = None,
) -> list[Conversation]:
    """`count` conversations of each speaker who has at least two labels.

    Clips of one label follow one another until its time is over, then another label comes. A clip
    comes again only after all others of its label. Everything follows from `seed`.
    """
    settings = settings or ConversationSettings()
    by_speaker: dict[str, dict[str, list[Clip]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        by_speaker[clip.speaker][clip.label].append(clip)
    out = []
    for number, (speaker, by_label) in enumerate(sorted(by_speaker.items())):
        if len(by_label) < 2:
            continue
        for which in range(count):
            rng = np.random.default_rng([seed, number, which])
            out.append(_strung(speaker, by_label, rng, settings, noise))
    return out


def with_reference(conversation: Conversation, detector: VoiceActivityDetector) -> Conversation:
    """The same, judged only where `detector` hears speech in the clips, and in the pauses.

    A clip lasts from its first voice to its last as the live gate's own detector finds them. With
    noise behind the voice, that takes in a lot of noise.
    """
    sound = conversation.sound
    voiced = np.asarray(detector.probabilities(sound)) >= 0.5
    tick = np.arange(len(sound) * 1000 // (SAMPLE_RATE * TICK_MS) + 1)
    frame = tick * TICK_MS * SAMPLE_RATE // (1000 * detector.frame_length)
    ticks = voiced[frame.clip(max=len(voiced) - 1)]
    at = np.flatnonzero(ticks)
    for last, following in itertools.pairwise(at):
        if following - last <= BRIDGED_MS // TICK_MS:
            ticks[last:following] = True
    return replace(conversation, voiced=ticks)


def _strung(
    speaker: str,
    by_label: dict[str, list[Clip]],
    rng: np.random.Generator,
    settings: ConversationSettings,
    noise: NoiseBank | None,
) -> Conversation:
    parts: list[Samples] = []
    spoken: list[Spoken] = []
    decks: dict[str, list[Clip]] = defaultdict(list)
    at, label, until = _quiet(parts, rng, settings), "", 0.0
    while at < settings.seconds * SAMPLE_RATE:
        if at >= until:
            label = str(rng.choice(sorted(set(by_label) - {label})))
            until = at + rng.exponential(settings.dwell_s) * SAMPLE_RATE
        if not decks[label]:
            decks[label] = [by_label[label][i] for i in rng.permutation(len(by_label[label]))]
        sound = speech_of(decks[label].pop())
        parts.append(sound)
        spoken.append(Spoken(_ms(at), _ms(at + len(sound)), label))
        at += len(sound)
        at += _quiet(parts, rng, settings)
    whole = np.concatenate(parts)
    if noise:
        whole = with_noise(whole, noise.draw(len(whole), rng), settings.snr_db)
    return Conversation(speaker, whole, tuple(spoken))


def _quiet(parts: list[Samples], rng: np.random.Generator, settings: ConversationSettings) -> int:
    length = round(rng.uniform(*settings.pauses_s) * SAMPLE_RATE)
    parts.append(np.zeros(length, np.float32))
    return length


def _ms(samples: int) -> int:
    return round(1000 * samples / SAMPLE_RATE)
