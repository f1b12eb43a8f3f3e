"""What may be said to a compiler: what changes the program, and nothing that reads, writes or runs something else.

Only known forms are let through. None of them has a value with a slash, so none can name a file elsewhere.
"""

from __future__ import annotations

import re
import shlex

from cmx.worker.outcome import ActionError

LIBRARIES = ("dl", "m", "pthread", "rt")
_FLAG = re.compile(
    r"""
    -O([0-3sgz]|fast)?          # optimisation
    | -g[0-3]?
    | -f[a-z][a-z0-9-]*(=[\w.,+:-]+)?
    | -m[a-z0-9][a-z0-9.-]*(=[\w.,+-]+)?
    | -W(no-)?[a-z][a-z0-9+-]*(=[\w-]+)?
    | -(pedantic|pedantic-errors|pthread|static|s|w|ansi|pie|no-pie)
    """,
    re.VERBOSE,
)
# Of these forms, the ones that load code, choose another tool, or read or write files.
_OUTSIDE = re.compile(
    r"-f(plugin|pass-plugin|use-ld|profile|auto-profile|dump|save-|modul|implicit-modul|prebuilt|crash-diag|"
    r"callgraph|stack-usage|compare-debug|debug-prefix|file-prefix|macro-prefix|offload|embed|sanitize-[a-z]*list|"
    r"xray|time-|proc-stat|test-coverage|lto-|thinlto)"
    r"|-m(llvm|linker|specs)|-Wp$|-Wl$|-Wa$"
)
_DEFINE = re.compile(r"[A-Za-z_]\w*(=.*)?", re.DOTALL)


def split_flags(text: str) -> list[str]:
    """A compiler's flags as a list of arguments; raises ActionError for one that may do more than shape the program."""
    flags = _split("flags", text)
    for flag in flags:
        if not _FLAG.fullmatch(flag) or _OUTSIDE.match(flag):
            raise ActionError(
                f"flags: {flag!r} is not let through: it is unknown here, or reads, writes or runs something else",
                "give -O…, -g, -f…, -m… and -W… flags; macros go into defines, libraries into libraries",
            )
    return flags


def split_defines(text: str) -> list[str]:
    """``N=10 FAST`` as ``["-DN=10", "-DFAST"]``; raises ActionError for what is no macro."""
    defines = _split("defines", text)
    for define in defines:
        if not _DEFINE.fullmatch(define):
            raise ActionError(f"defines: {define!r} is no macro", "write NAME or NAME=VALUE, separated by spaces")
    return [f"-D{define}" for define in defines]


def split_libraries(text: str) -> list[str]:
    """``m pthread`` as ``["-lm", "-lpthread"]``; raises ActionError for any but the system's own."""
    libraries = _split("libraries", text)
    for library in libraries:
        if library not in LIBRARIES:
            raise ActionError(f"libraries: {library!r} is not let through", f"there is: {', '.join(LIBRARIES)}")
    return [f"-l{library}" for library in libraries]


def split_names(text: str) -> list[str]:
    """File names, separated by spaces."""
    return _split("sources", text)


def _split(name: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ActionError(f"{name}: {error}: {text!r}", "close the quotation") from error
