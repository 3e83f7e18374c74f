"""The benchmarks of the plugin: ``python -m tools.bench``. One module for each; what they share is beside them."""
