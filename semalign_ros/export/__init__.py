"""From a Hugging Face checkpoint to an ONNX bundle whose outputs equal the original's."""
