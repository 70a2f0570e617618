"""EmotionML 1.0 (W3C Recommendation, 22 May 2014): one <emotion> for each segment."""

import re
import xml.etree.ElementTree as ET
from typing import Final
from urllib.parse import quote

from livemood.model.labels import UNCERTAIN
from livemood.timeline.events import Segment
from livemood.timeline.timeline import Timeline

NAMESPACE: Final = "http://www.w3.org/2009/10/emotionml"
CATEGORIES: Final = "livemood-categories"
DIMENSIONS: Final = "http://www.w3.org/TR/emotion-voc/xml#fsre-dimensions"

BIG6: Final = {
    "happy": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "fear": "fear",
    "disgust": "disgust",
    "surprise": "surprise",
}
"""Our labels to the names of the big6 vocabulary (W3C Note "Vocabularies for EmotionML")."""
_FILE: Final = re.compile(r".*\.(?=\w*[a-z])\w{1,5}", re.IGNORECASE | re.DOTALL)
"""What names a file: it has an ending. Microphones, calls and streams are nothing to look up."""


def to_emotionml(timeline: Timeline) -> str:
    """An EmotionML document.

    The category vocabulary is the model's labels under their big6 names, and neutral, which big6
    lacks, is declared in the document. Valence and arousal are of `fsre-dimensions`, moved from
    [-1, 1] to the [0, 1] that EmotionML scales have. An uncertain segment has dimensions only.
    """
    ET.register_namespace("", NAMESPACE)
    root = ET.Element(
        _tag("emotionml"),
        {"version": "1.0", "category-set": f"#{CATEGORIES}", "dimension-set": DIMENSIONS},
    )
    vocabulary = ET.SubElement(root, _tag("vocabulary"), type="category", id=CATEGORIES)
    for label in timeline.labels:
        ET.SubElement(vocabulary, _tag("item"), name=BIG6.get(label, label))
    for channel in timeline.channels:
        for segment in timeline.segments(channel):
            who = timeline.participant(channel) or f"channel {channel}"
            root.append(_emotion(segment, who, _about(timeline)))
    ET.indent(root)
    return ET.tostring(root, "unicode", xml_declaration=True) + "\n"


def _emotion(segment: Segment, who: str, about: str) -> ET.Element:
    emotion = ET.Element(_tag("emotion"), {"expressed-through": "voice"})
    info = ET.SubElement(emotion, _tag("info"))
    channel = ET.SubElement(info, "{http://www.w3.org/ns/ma-ont#}trackName")
    channel.text = "".join(c for c in who if c.isprintable())
    if segment.label != UNCERTAIN:
        name = BIG6.get(segment.label, segment.label)
        confidence = f"{min(1.0, segment.confidence):.4f}"
        ET.SubElement(emotion, _tag("category"), name=name, confidence=confidence)
    for name, value in (("valence", segment.valence), ("arousal", segment.arousal)):
        ET.SubElement(emotion, _tag("dimension"), name=name, value=f"{(value + 1) / 2:.4f}")
    # A media fragment (W3C Media Fragments 1.0) places the segment in the recording.
    fragment = f"t={segment.start_ms / 1000:.3f},{segment.end_ms / 1000:.3f}"
    ET.SubElement(emotion, _tag("reference"), uri=f"{about}#{fragment}", role="expressedBy")
    return emotion


def _about(timeline: Timeline) -> str:
    """What segments are of: the file, or the session where its sound was in none."""
    if timeline.started and not _FILE.fullmatch(timeline.source):
        return f"urn:livemood:session:{quote(timeline.started.session, safe='')}"
    return quote(timeline.source)


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
