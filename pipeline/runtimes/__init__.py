"""What runs one step of scoring: PyTorch, ONNX Runtime or OpenVINO, loaded only where asked for."""
