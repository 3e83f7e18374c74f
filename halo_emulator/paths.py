"""Paths below /api as the emulator compares them: lower-case (Halo's routing ignores case: official and seen live)."""


def below_api(path: str) -> str | None:
    """For example "/api/Tickets/5" gives "tickets/5"; None for what is not below /api."""
    lowered = path.lower()
    return lowered[len("/api/") :].strip("/") if lowered.startswith("/api/") else None


def token_address(path: str) -> str | None:
    """The path without its outer slashes if instances give out tokens there ("auth/token", "token"), else None."""
    lowered = path.lower().strip("/")
    return lowered if lowered in ("auth/token", "token") else None


def starts_with(path: str, prefix: str) -> bool:
    """Whether `prefix` is `path` or a parent of it: "tickets/5" covers "tickets/5/x", not "tickets/50"."""
    wanted = prefix.lower().strip("/")
    return not wanted or path == wanted or path.startswith(wanted + "/")
