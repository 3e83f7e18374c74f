"""Ticket events out of looks at Halo: what the three triggers share.

A webhook and a poll say the same thing, "ticket N may have changed", and neither is believed: the ticket is read,
compared with what was last seen of it, and ``decide`` says which events that makes. Each event is delivered, and only
then is what was seen saved.
"""
