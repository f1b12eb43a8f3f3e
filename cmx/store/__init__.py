"""What cmx keeps on disk: content-addressed files, derived folders, environments; verified before every use."""

from cmx.store.derived import Artefact, ArtefactFile
from cmx.store.environments import Environment, EnvironmentStore, Interpreter, Package
from cmx.store.files import StoredFile
from cmx.store.hashing import key_of, sha256_of
from cmx.store.inspection import Entry, Finding, Removed, Verification
from cmx.store.locks import Busy, lock
from cmx.store.store import Store

__all__ = [
    "Artefact",
    "ArtefactFile",
    "Busy",
    "Entry",
    "Environment",
    "EnvironmentStore",
    "Finding",
    "Interpreter",
    "Package",
    "Removed",
    "Store",
    "StoredFile",
    "Verification",
    "key_of",
    "lock",
    "sha256_of",
]
