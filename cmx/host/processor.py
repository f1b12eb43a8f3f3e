"""Facts about the processors of a Linux machine, from /proc/cpuinfo and /sys/devices/system/cpu."""

from __future__ import annotations

from cmx.host import arm
from cmx.host.tree import Missing, Tree, cpu_list

CPUINFO = "/proc/cpuinfo"
CPU = "/sys/devices/system/cpu"

# What decides which kernels a framework picks, and so the speed: vector, dot-product and matrix instructions.
_X86 = ("sse4_2", "avx", "avx2", "f16c", "fma", "avx_vnni")
_AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16")
_AMX = ("amx_tile", "amx_int8", "amx_bf16")
_ARM = ("neon", "asimd", "asimdhp", "asimddp", "fphp", "i8mm", "bf16", "sve", "sve2", "sme")
NOTABLE_FLAGS = (*_X86, *_AVX512, *_AMX, *_ARM)


def cpuinfo(tree: Tree) -> list[dict[str, str]]:
    """The blocks of /proc/cpuinfo that describe a processor, as {key: value}. Raises Missing."""
    blocks = []
    for text in tree.read(CPUINFO).split("\n\n"):
        pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
        block = {key.strip(): value.strip() for key, value in pairs}
        if "processor" in block:
            blocks.append(block)
    if not blocks:
        raise Missing(f"{CPUINFO} names no processor")
    return blocks


def architecture(tree: Tree) -> tuple[str, str]:
    """The machine's architecture as uname gives it ("x86_64", "aarch64"), and its source. Raises Missing."""
    try:
        return tree.read("/proc/sys/kernel/arch"), "/proc/sys/kernel/arch"
    except Missing:
        if tree.live:
            import platform

            return platform.machine(), "uname"
    block = cpuinfo(tree)[0]
    if "vendor_id" in block:
        return ("x86_64" if " lm " in f" {block.get('flags', '')} " else "i686"), f"{CPUINFO} (flag lm)"
    if "CPU architecture" in block:
        return ("aarch64" if block["CPU architecture"] == "8" else "armv7l"), f"{CPUINFO} (CPU architecture)"
    raise Missing(f"/proc/sys/kernel/arch is not there and {CPUINFO} does not tell")


def model(tree: Tree) -> tuple[str, str]:
    """The processor's name and its source. Several kinds in one machine are joined by " + ". Raises Missing."""
    blocks = cpuinfo(tree)
    for key in ("model name", "cpu model", "uarch", "cpu"):
        if key in blocks[0] and "CPU part" not in blocks[0]:
            return " ".join(blocks[0][key].split()), f"{CPUINFO} ({key})"
    names = {arm.name_of(b["CPU implementer"], b["CPU part"]): None for b in blocks if "CPU part" in b}
    if not names:
        raise Missing(f"{CPUINFO} has neither 'model name' nor 'CPU part'")
    return " + ".join(names), f"{CPUINFO} (CPU part)"


def vendor(tree: Tree) -> tuple[str, str]:
    """Who made the processor, and the source. Raises Missing."""
    block = cpuinfo(tree)[0]
    if "vendor_id" in block:
        return block["vendor_id"], f"{CPUINFO} (vendor_id)"
    if "CPU implementer" in block:
        return arm.vendor_of(block["CPU implementer"]), f"{CPUINFO} (CPU implementer)"
    raise Missing(f"{CPUINFO} names no vendor")


def flags(tree: Tree) -> tuple[list[str], str]:
    """The notable instruction set extensions, by the kernel's names, and their source. Raises Missing."""
    block = cpuinfo(tree)[0]
    for key in ("flags", "Features"):
        if key in block:
            present = set(block[key].split())
            return [flag for flag in NOTABLE_FLAGS if flag in present], f"{CPUINFO} ({key})"
    raise Missing(f"{CPUINFO} lists no instruction set extensions")


def threads(tree: Tree) -> tuple[int, str]:
    """Logical CPUs that are online, and the source. Raises Missing."""
    try:
        return len(cpu_list(tree.read(f"{CPU}/online"))), f"{CPU}/online"
    except Missing:
        return len(cpuinfo(tree)), f"{CPUINFO} (processor)"


def cores(tree: Tree) -> tuple[int, str]:
    """Physical cores that are online, and the source. Raises Missing."""
    siblings = _topology(tree, "core_cpus_list", "thread_siblings_list")
    if siblings:
        return len(siblings), f"{CPU}/cpu*/topology"
    found = {(b.get("physical id", ""), b["core id"]) for b in cpuinfo(tree) if "core id" in b}
    if not found:
        raise Missing(f"{CPU}/cpu*/topology is not there and {CPUINFO} has no 'core id'")
    return len(found), f"{CPUINFO} (core id)"


def sockets(tree: Tree) -> tuple[int, str]:
    """Processor packages, and the source. Raises Missing."""
    packages = _topology(tree, "physical_package_id")
    if packages:
        return len(packages), f"{CPU}/cpu*/topology/physical_package_id"
    found = {block["physical id"] for block in cpuinfo(tree) if "physical id" in block}
    if not found:
        raise Missing(f"{CPU}/cpu*/topology is not there and {CPUINFO} has no 'physical id'")
    return len(found), f"{CPUINFO} (physical id)"


def _topology(tree: Tree, *names: str) -> set[str]:
    """The different values that the CPUs have in the first of these topology files that is there."""
    for name in names:
        values = {tree.read(path) for path in tree.find(CPU, f"cpu[0-9]*/topology/{name}")}
        if values:
            return values
    return set()


def smt(tree: Tree) -> tuple[str, str]:
    """Whether cores run several threads each: "on", "off" or "notsupported", and the source. Raises Missing."""
    try:
        return ("on" if tree.number(f"{CPU}/smt/active") else tree.read(f"{CPU}/smt/control")), f"{CPU}/smt"
    except Missing:
        return ("on" if threads(tree)[0] > cores(tree)[0] else "off"), "threads against cores"


def caches(tree: Tree) -> tuple[list[dict[str, object]], str]:
    """The caches that CPU 0 sees: level, type, bytes, and how many threads share it. Raises Missing."""
    found: list[dict[str, object]] = []
    for folder in tree.find(f"{CPU}/cpu0/cache", "index[0-9]*"):
        try:
            found.append(_cache(tree, folder))
        except Missing:
            continue  # some hypervisors leave the size out
    if not found:
        raise Missing(f"{CPU}/cpu0/cache gives no sizes")
    return found, f"{CPU}/cpu0/cache"


def _cache(tree: Tree, folder: str) -> dict[str, object]:
    return {
        "level": tree.number(f"{folder}/level"),
        "type": tree.read(f"{folder}/type").lower(),
        "bytes": _size(tree.read(f"{folder}/size")),
        "threads": len(cpu_list(tree.read(f"{folder}/shared_cpu_list"))),
    }


def _size(text: str) -> int:
    """Bytes of "48K" or "2M"."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)


def numa(tree: Tree) -> tuple[dict[str, str], str]:
    """NUMA nodes and their CPUs, as {"node0": "0-15"}, and the source. Raises Missing."""
    folder = "/sys/devices/system/node"
    nodes = {path.split("/")[-2]: tree.read(path) for path in tree.find(folder, "node[0-9]*/cpulist")}
    if not nodes:
        raise Missing(f"{folder}/node* is not there")
    return nodes, folder


def frequency(tree: Tree) -> tuple[list[int], str]:
    """The present clock of each CPU in Hz, and the source. Raises Missing."""
    values = _cpufreq(tree, "scaling_cur_freq")
    if values:
        return values, f"{CPU}/cpu*/cpufreq/scaling_cur_freq"
    clocks = [round(float(block["cpu MHz"]) * 1e6) for block in cpuinfo(tree) if "cpu MHz" in block]
    if not clocks:
        raise Missing(f"{CPU}/cpu*/cpufreq is not there and {CPUINFO} has no 'cpu MHz'")
    return clocks, f"{CPUINFO} (cpu MHz)"


def frequency_max(tree: Tree) -> tuple[int, str]:
    """The highest clock of any CPU in Hz, and the source. Raises Missing."""
    values = _cpufreq(tree, "cpuinfo_max_freq")
    if not values:
        raise Missing(f"{CPU}/cpu*/cpufreq/cpuinfo_max_freq is not there")
    return max(values), f"{CPU}/cpu*/cpufreq/cpuinfo_max_freq"


def _cpufreq(tree: Tree, name: str) -> list[int]:
    values = []
    for path in tree.find(CPU, f"cpu[0-9]*/cpufreq/{name}"):
        try:
            values.append(tree.number(path) * 1000)  # the kernel counts in kHz
        except Missing:
            continue  # a CPU that is offline
    return values


def governor(tree: Tree) -> tuple[str, str]:
    """What sets the clock ("performance", "schedutil", …; several joined by " + "), and the source. Raises Missing."""
    found = {tree.read(path): None for path in tree.find(CPU, "cpu[0-9]*/cpufreq/scaling_governor")}
    if not found:
        raise Missing(f"{CPU}/cpu*/cpufreq/scaling_governor is not there")
    return " + ".join(found), f"{CPU}/cpu*/cpufreq/scaling_governor"


def turbo(tree: Tree) -> tuple[str, str]:
    """Whether the clock may go beyond its nominal value: "on" or "off", and the source. Raises Missing."""
    for path, on in ((f"{CPU}/intel_pstate/no_turbo", 0), (f"{CPU}/cpufreq/boost", 1)):
        if tree.exists(path):
            return ("on" if tree.number(path) == on else "off"), path
    raise Missing(f"neither {CPU}/intel_pstate/no_turbo nor {CPU}/cpufreq/boost is there")
