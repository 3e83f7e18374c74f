"""Random stories, as many as HALOITSM_WALK says: what all walks have in common."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase
from hypothesis import settings as limits
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

STORIES = int(os.environ.get("HALOITSM_WALK", "3"))


def walk(days: type[RuleBasedStateMachine]) -> None:
    """Take STORIES of 25 steps."""
    run_state_machine_as_test(
        days,
        settings=limits(
            max_examples=STORIES,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
        ),
    )
