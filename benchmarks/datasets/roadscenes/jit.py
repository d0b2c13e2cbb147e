"""How the inner loops are compiled: kept on disk, no fast arithmetic (pixels must not depend on the machine), no checks
for division by zero.
"""

from __future__ import annotations

from numba import njit

kernel = njit(cache=True, error_model="numpy")

inlined = njit(cache=True, error_model="numpy", forceinline=True)
"""For what is called at one place in an inner loop, where handing over the scene's arrays would cost more than the
work.
"""
