"""Remediation: findings of scanners to HaloITSM tickets, and what later scans say back to them.

Imports point one way: ``cli`` to ``tickets``, ``sources`` and ``store``, these to ``domain``, which is pure.
"""
