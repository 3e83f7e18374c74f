"""The benchmarks of the remediation service: ``make bench-remediation``. One module for each; what they share is beside
them. How figures are kept and shown is that of ``tools.bench``."""

import os

import django

# The modules import the service's tables.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remediation.settings")
django.setup()
