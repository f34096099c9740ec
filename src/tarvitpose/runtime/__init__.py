"""What runs the network: PyTorch, OpenVINO or ONNX Runtime behind one protocol."""
