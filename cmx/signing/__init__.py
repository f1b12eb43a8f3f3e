"""Ed25519 keys, signatures in DSSE envelopes over in-toto statements, and whom the user trusts.

Nothing here knows what is signed: a statement names files by their sha256, and says in its predicate what it claims.
"""
