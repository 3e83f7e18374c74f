"""Tests of pure functions: plain data in, plain data out, no clock and no network."""
