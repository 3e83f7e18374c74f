"""Makes ticket events from snapshots of Halo's tickets: the part that the three triggers share.

A webhook and a poll say the same thing: ticket N may have changed. Neither is trusted. The ticket is read and compared
with what was last seen of it, and ``decide`` says which events follow. Each event is delivered first; only then is the
new state saved.
"""
