"""Repositories of components, and the catalog of those in use."""

from cmx.repository.catalog import Catalog, Problem
from cmx.repository.index import Entry
from cmx.repository.repository import Repository

__all__ = ["Catalog", "Entry", "Problem", "Repository"]
