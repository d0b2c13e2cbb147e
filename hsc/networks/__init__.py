"""The codec's networks: generator, inversion, SCN, FCN, entropy model, tiling, configurations."""
