"""Training of the codec's networks: ``python -m hsc.training --help``.

    shards (.npz) ──crops──> images, weights, labels ──HscModel──> decoded images, bits
                                                         │
            pixels + gradients + teacher's outputs + texture + bits, each quality steered to its rate ──> one loss

Nothing here is needed to code images. A teacher, which measures what machines still see in a decoded image, is trained
first by ``python -m hsc.training.teacher``; it never scores anything.
"""
