"""Registries: a folder, or the static web site that it becomes, with solutions and versioned components by sha256."""
