"""A stand-in for an OpenID provider on loopback: no product, knows one invented person at a time, for tests.

It answers what OpenID Connect Core 1.0 and Discovery 1.0 say of the code flow, with PKCE (RFC 7636), and refuses what
they say is to be refused. Whoever comes to it counts as signed in there: no page asks for a password. That, and all
that can be set to go wrong, are test devices of ours.

    with Provider() as provider:
        provider.person = {"sub": "7", "email": "anna@example.com", "email_verified": True}
"""

from .provider import Provider

__all__ = ["Provider"]
