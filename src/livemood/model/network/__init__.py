"""Streaming networks on ONNX Runtime: their inputs and outputs, batches, pooling."""

from livemood.model.network.onnx_network import LARGEST_BATCH, OnnxNetwork, Provider

__all__ = ["LARGEST_BATCH", "OnnxNetwork", "Provider"]
