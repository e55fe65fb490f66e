"""Does the vision-language model in the car still mean what the camera sees?"""

__version__ = "0.1.0"
