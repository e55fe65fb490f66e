"""Does the vision-language model in the car still mean what the camera sees?"""

import os

__version__ = "0.1.0"

# ONNX Runtime's builds tell Microsoft of every session, and keep a device id and a growing database
# in the user's cache: nothing that a vehicle's computer should do unasked. Read at its import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
