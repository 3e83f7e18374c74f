"""Steps of workflows, by the plugin as InsightConnect runs it."""

import pytest
from steps import checked


@pytest.fixture
def step(plugin_server, connection_params):
    """Runs an action through the plugin server; an output has passed its schema."""

    def run(name, **given):
        done = plugin_server.run(name, given, connection_params)
        if done.succeeded:
            checked(name, done.output)
        return done

    return run
