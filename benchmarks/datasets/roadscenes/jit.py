"""Decorators that compile the inner loops with numba.

The code is cached on disk, without fast arithmetic (pixels must not depend on the machine) and without checks for
division by zero.
"""

from __future__ import annotations

from numba import njit

kernel = njit(cache=True, error_model="numpy")

inlined = njit(cache=True, error_model="numpy", forceinline=True)
"""For functions called at one place in an inner loop, where passing the arrays would cost more than the work."""
