"""Documents made of results: charts, spheres, HTML report, bundle, model card, ONNX. Torch in `onnx` only."""
