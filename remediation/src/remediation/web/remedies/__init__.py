"""Which few solutions remove most risk, and one of them with its devices and owners."""
