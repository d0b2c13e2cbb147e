"""Weights of learned codecs that were trained here: ``NAME-LOSS.safetensors``, each with a card."""
