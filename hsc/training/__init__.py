"""Training of the codec's networks: ``python -m hsc.training --help``.

    shards (.npz) ──crops──> images, weights, labels ──HscModel──> made images, bits
                                                         │
            pixels + gradients + teacher's view + texture + bits, each quality steered to its own rate ──> one loss

Nothing here is needed to code images. A teacher that judges what machines would still see is trained first, by
``python -m hsc.training.teacher``; it never scores anything.
"""
