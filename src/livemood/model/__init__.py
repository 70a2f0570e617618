"""What does it sound like: features, streaming networks on ONNX Runtime, labels, baselines."""

from livemood.model.baseline import Baseline
from livemood.model.clip_windows import Prediction
from livemood.model.labels import LABELS, UNCERTAIN
from livemood.model.manifest import Manifest
from livemood.model.model import Model
from livemood.model.registry import find_model, load_model, shipped_models
from livemood.model.streaming.streaming_state import Reading

__all__ = [
    "LABELS",
    "UNCERTAIN",
    "Baseline",
    "Manifest",
    "Model",
    "Prediction",
    "Reading",
    "find_model",
    "load_model",
    "shipped_models",
]
