"""The profile of hypothesis: every run has the same examples, so that a failure can be repeated everywhere.

HALOITSM_HYPOTHESIS=explore searches for new examples, longer and at random.
"""

import os

from hypothesis import HealthCheck, settings

_SLOW_MACHINE = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "fixed", derandomize=True, database=None, deadline=None, max_examples=80, suppress_health_check=_SLOW_MACHINE
)
settings.register_profile(
    "explore", derandomize=False, deadline=None, max_examples=3000, suppress_health_check=_SLOW_MACHINE
)
settings.load_profile(os.environ.get("HALOITSM_HYPOTHESIS", "fixed"))
