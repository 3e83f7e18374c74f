"""Tests of the machinery: what sends, keeps, locks and looks again, with the clock in the hands of the test."""
