"""Tickets that could be dealt with as one, findings that could be told in one, and what people decided of that."""
