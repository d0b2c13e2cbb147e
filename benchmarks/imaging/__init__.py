"""Pixels: image files, colour conversion, PSNR, short sketches of an image's content."""
