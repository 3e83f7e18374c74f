"""Tests of the client's parts that send, cache, lock and recheck. The tests control the clock."""
