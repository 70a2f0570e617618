"""How a voice differs from its usual, as an `emotion` event carries it."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from livemood.speech.voice_change import VoiceChange, Word


def _is_none(value: object) -> bool:
    return value is None


class Voice(BaseModel):
    """The last seconds of a voice against how it spoke before on this channel.

    A difference is left out where it cannot be told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level_db: float | None = Field(None, exclude_if=_is_none)
    """dB; louder if positive."""
    pitch_st: float | None = Field(None, exclude_if=_is_none)
    """Median pitch, in semitones; higher if positive."""
    pitch_range_st: float | None = Field(None, exclude_if=_is_none)
    """From the 10th to the 90th percentile of the pitch, in semitones; livelier if positive."""
    rate: float | None = Field(None, exclude_if=_is_none)
    """Syllables a second; faster if positive."""
    usual_s: float
    """Seconds of speech that the usual rests on, less where it did not sound neutral."""
    words: tuple[Word, ...] = ()
    """What is clearly unlike the usual, the clearest first; at most two words."""

    @classmethod
    def of(cls, change: VoiceChange) -> Self:
        """`change` as it goes over the wire, rounded to what can be told."""
        return cls(
            level_db=_rounded(change.level_db),
            pitch_st=_rounded(change.pitch_st),
            pitch_range_st=_rounded(change.pitch_range_st),
            rate=_rounded(change.rate),
            usual_s=round(change.usual_s),
            words=change.words,
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
