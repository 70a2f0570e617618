"""Where in a clip somebody speaks."""

from livemood.audio.block import Samples, Span
from livemood.speech.gate import GateEvent, GateSettings, SpeechEnded, SpeechGate
from livemood.speech.vad import SAMPLE_RATE, VoiceActivityDetector


def speech_bounds(
    samples: Samples, detector: VoiceActivityDetector, at_least: int = SAMPLE_RATE
) -> Span:
    """From the start of the first speech to the end of the last in 16 kHz `samples`, shape (n,).

    The span is widened to `at_least` samples where the clip allows; a clip without speech, or
    shorter than that, is returned whole.
    """
    return find_speech(samples, detector, at_least)[0]


def find_speech(
    samples: Samples, detector: VoiceActivityDetector, at_least: int = SAMPLE_RATE
) -> tuple[Span, int]:
    """The same, and how many samples of it are voice: 0 without speech."""
    detector.reset()
    settings = GateSettings()
    gate = SpeechGate(settings, detector.frame_length, SAMPLE_RATE)
    events: list[GateEvent] = []
    probabilities = detector.probabilities(samples)
    for probability in probabilities:
        events += gate.push(probability)
    events += gate.close()
    stretches = [event for event in events if isinstance(event, SpeechEnded)]
    if not stretches:
        return Span(0, len(samples)), 0
    voiced = sum(p >= settings.start_threshold for p in probabilities) * detector.frame_length
    start, end = stretches[0].start, stretches[-1].end
    missing = max(0, at_least - (end - start))
    start = max(0, start - missing // 2)
    end = min(len(samples), max(end, start + at_least))
    return Span(max(0, min(start, end - at_least)), end), voiced
