"""The weekly report: what came, what went, what is late and who owns it; and when it is sent by mail."""
