"""Learned codecs over the networks of CompressAI: weights, entropy parameters, symbols and files."""
