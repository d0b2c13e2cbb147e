"""The command line ``python -m hsc``: what its commands do, and the image files they read and write."""
