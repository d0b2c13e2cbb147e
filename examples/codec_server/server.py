"""Serves a codec written in PyTorch to HSC-Bench: python server.py MODULE:FACTORY DEVICE

FACTORY(device) gives an object with encode(image, **settings) -> bytes and decode(data, **settings) -> image; images
are uint8 tensors (3, H, W). Copy this file; the module lies beside it or is installed where this Python finds it.
"""

import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image


def code(codec, request):
    """Does what one request asks: reads its input, writes its output."""
    source, target = Path(request["input"]), Path(request["output"])
    if request["do"] == "encode":
        pixels = torch.from_numpy(np.array(Image.open(source).convert("RGB"))).permute(2, 0, 1)
        target.write_bytes(codec.encode(pixels, **request["settings"]))
    else:
        pixels = codec.decode(source.read_bytes(), **request["settings"])
        Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy()).save(target)


def main(factory, device):
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to stderr: stdout is for answers
    module, name = factory.split(":")
    codec = getattr(importlib.import_module(module), name)(device)
    print(json.dumps({"ready": 1}), file=answers)
    for request in map(json.loads, sys.stdin):
        if request["do"] == "quit":
            break
        answer = {"id": request["id"]}
        try:
            with torch.inference_mode():
                code(codec, request)
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
