"""Packaged weights: ``NAME.safetensors``, or ``NAME.json`` with url, sha256 and size_bytes of a file to download.

See ``hsc.weights.files``.
"""
