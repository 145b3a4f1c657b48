"""How much is tried. PILOTLIGHT_E2E_FULL=1: everything, as before a release, which takes an hour. Otherwise enough to see
each kind of thing once."""

import os

import pytest

FULL = bool(os.environ.get("PILOTLIGHT_E2E_FULL"))

# What is simulated as well.
only_in_full = pytest.mark.skipif(not FULL, reason="only with PILOTLIGHT_E2E_FULL=1")
