"""Teachers: frozen networks that say what machines see in an image, for the loss of codec training alone.

    images (B, 3, h, w), -1 to 1 ──teacher──> Seen: feature maps, and where a network has them class and object maps

They score nothing. One is trained by ``python -m hsc.training.teacher`` (``unet``); the others were trained by other
people on photographs (``named``).
"""
