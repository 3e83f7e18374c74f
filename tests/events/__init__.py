"""Tests of the three triggers and of what they are made of."""
