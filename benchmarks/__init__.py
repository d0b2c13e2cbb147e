"""The harness: codecs, operating points, data sets and heads, measured, kept and scored.

import benchmarks
scores = benchmarks.evaluate(task="detection", codecs=["jpeg", "vvc(qp=[47, 37, 27], preset=fast)"], limit=8)
"""

from pathlib import Path

from benchmarks.evaluation import Outcome, configure, evaluate
from benchmarks.evaluation import run as run_config

__all__ = ["Outcome", "configure", "evaluate", "run_config"]

__path__.append(str(Path(__file__).parent / "cli" / "former"))  # so that commands answer to their former module names
