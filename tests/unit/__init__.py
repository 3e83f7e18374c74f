"""Tests of the decisions: plain data in, plain data out, no clock and no network."""
