"""Models that run in the visitor's browser: ONNX graphs in onnxruntime-web, in a worker of the page."""
