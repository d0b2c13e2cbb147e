"""Weights by name: ``NAME.safetensors``, or ``NAME.json`` with the url, sha256 and size_bytes of a file to fetch. See
``hsc.weights.files``.
"""
