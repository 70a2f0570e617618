"""What does it sound like: features, the DC-RNN on ONNX Runtime, labels, the model registry."""

from livemood.model.labels import LABELS, UNCERTAIN
from livemood.model.manifest import Manifest
from livemood.model.model import Model, Prediction, load_model
from livemood.model.registry import find_model, shipped_models

__all__ = [
    "LABELS",
    "UNCERTAIN",
    "Manifest",
    "Model",
    "Prediction",
    "find_model",
    "load_model",
    "shipped_models",
]
