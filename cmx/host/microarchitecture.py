"""Which design of processor it is, and the level of the x86-64 ABI that it reaches.

Sources: Intel's family 6 models in Linux's arch/x86/include/asm/intel-family.h, AMD's in arch/x86/kernel/cpu/amd.c
(family 0x15: util-linux and AMD's revision guides); the levels are those of the x86-64 psABI, by the kernel's names of
the flags. A number that stands in no table is unavailable: nothing is guessed from its neighbours.
"""

from __future__ import annotations

from cmx.host.processor import CPUINFO, cpuinfo
from cmx.host.processor import model as model_name
from cmx.host.tree import Missing, Tree

_INTEL = {
    "Nehalem": (0x1A, 0x1E, 0x1F, 0x2E),
    "Westmere": (0x25, 0x2C, 0x2F),
    "Sandy Bridge": (0x2A, 0x2D),
    "Ivy Bridge": (0x3A, 0x3E),
    "Haswell": (0x3C, 0x3F, 0x45, 0x46),
    "Broadwell": (0x3D, 0x47, 0x4F, 0x56),
    "Skylake": (0x4E, 0x5E),
    "Kaby Lake or Coffee Lake": (0x8E, 0x9E),
    "Comet Lake": (0xA5, 0xA6),
    "Cannon Lake": (0x66,),
    "Ice Lake": (0x7D, 0x7E),
    "Ice Lake server": (0x6A, 0x6C),
    "Tiger Lake": (0x8C, 0x8D),
    "Rocket Lake": (0xA7,),
    "Alder Lake": (0x97, 0x9A),
    "Raptor Lake": (0xB7, 0xBA, 0xBF),
    "Meteor Lake": (0xAA, 0xAC),
    "Arrow Lake": (0xC5, 0xC6),
    "Lunar Lake": (0xBD,),
    "Sapphire Rapids": (0x8F,),
    "Emerald Rapids": (0xCF,),
    "Granite Rapids": (0xAD, 0xAE),
    "Sierra Forest": (0xAF,),
    "Silvermont": (0x37, 0x4D),
    "Airmont": (0x4C,),
    "Goldmont": (0x5C, 0x5F),
    "Goldmont Plus": (0x7A,),
    "Tremont": (0x86, 0x96, 0x9C),
    "Gracemont": (0xBE,),
}
# One number, three designs; the stepping tells.
_SKYLAKE_SERVER = 0x55
_CASCADE_LAKE, _COOPER_LAKE = 5, 10

# (family, first model, last model, name)
_AMD = (
    (0x17, 0x08, 0x08, "Zen+"),
    (0x17, 0x18, 0x18, "Zen+"),
    (0x17, 0x00, 0x2F, "Zen"),
    (0x17, 0x50, 0x5F, "Zen"),
    (0x17, 0x30, 0x4F, "Zen 2"),
    (0x17, 0x60, 0x7F, "Zen 2"),
    (0x17, 0x90, 0x91, "Zen 2"),
    (0x17, 0xA0, 0xAF, "Zen 2"),
    (0x19, 0x00, 0x0F, "Zen 3"),
    (0x19, 0x20, 0x5F, "Zen 3"),
    (0x19, 0x10, 0x1F, "Zen 4"),
    (0x19, 0x60, 0xAF, "Zen 4"),
    (0x1A, 0x00, 0x2F, "Zen 5"),
    (0x1A, 0x40, 0x4F, "Zen 5"),
    (0x1A, 0x60, 0x7F, "Zen 5"),
)

_LEVELS = (
    ("x86-64-v1", ("lm", "cmov", "cx8", "fpu", "fxsr", "mmx", "syscall", "sse", "sse2")),
    ("x86-64-v2", ("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3")),
    ("x86-64-v3", ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave")),
    ("x86-64-v4", ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")),
)


def microarchitecture(tree: Tree) -> tuple[str, str]:
    """The design's name ("Emerald Rapids", "Zen 3", "Cortex-A72"), and the source. Raises Missing."""
    block = cpuinfo(tree)[0]
    if "CPU part" in block:
        return model_name(tree)  # Arm names designs by their parts
    if not {"vendor_id", "cpu family", "model"} <= block.keys():
        raise Missing(f"{CPUINFO} has no vendor, family and model")
    vendor, family, model = block["vendor_id"], int(block["cpu family"]), int(block["model"])
    found = ""
    if vendor == "GenuineIntel" and family == 6:
        found = _intel(model, int(block.get("stepping", 0)))
    elif vendor == "AuthenticAMD":
        found = next((name for each, low, high, name in _AMD if each == family and low <= model <= high), "")
    if not found:
        raise Missing(f"no name is known for {vendor} family {family} model {model}")
    return found, f"{CPUINFO} (cpu family, model)"


def _intel(model: int, stepping: int) -> str:
    if model == _SKYLAKE_SERVER:
        if stepping < _CASCADE_LAKE:
            return "Skylake server"
        return "Cascade Lake" if stepping < _COOPER_LAKE else "Cooper Lake"
    return next((name for name, models in _INTEL.items() if model in models), "")


def isa_level(tree: Tree) -> tuple[str, str]:
    """The level that programs may be built for: "x86-64-v3", "armv8", and the source. Raises Missing."""
    block = cpuinfo(tree)[0]
    if "CPU architecture" in block:
        return f"armv{block['CPU architecture']}", f"{CPUINFO} (CPU architecture)"
    if "flags" not in block:
        raise Missing(f"{CPUINFO} lists neither flags nor an architecture")
    flags, reached = set(block["flags"].split()), ""
    for name, needed in _LEVELS:
        if not flags.issuperset(needed):
            break
        reached = name
    if not reached:
        raise Missing(f"{CPUINFO} (flags) reaches no level of x86-64")
    return reached, f"{CPUINFO} (flags)"
