"""Learned codecs that rival hsc in its own domain, and their training: ``python -m benchmarks.rivals --help``.

A rival is a variable-rate mean-and-scale hyperprior of CompressAI, trained on the same images as hsc. With the loss
``mse`` it tells what it brings to know the domain. With the loss ``machine``, which is that of hsc, it tells what that
loss brings without hsc's hierarchy.
"""
