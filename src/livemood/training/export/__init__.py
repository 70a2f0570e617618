"""From a trained network to a model folder: ONNX, static int8, manifest."""
