"""What this machine already has: runs software-detect components, and reads Python environments."""

from cmx.detect.engine import Detector
from cmx.detect.finding import Detection, Finding, Identity, Skipped
from cmx.detect.interpreters import Interpreter

__all__ = ["Detection", "Detector", "Finding", "Identity", "Interpreter", "Skipped"]
