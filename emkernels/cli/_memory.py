"""How much memory there is, and refusing what does not fit."""

import contextlib
import os

from emkernels.cli._messages import CommandError


def available_bytes(root="/"):
    """Memory that this process may still take, or None where nothing tells."""
    found = []
    with contextlib.suppress(OSError, ValueError), open(
            os.path.join(root, "proc/meminfo")) as file:
        found += [1024 * int(line.split()[1]) for line in file
                  if line.startswith("MemAvailable:")]
    found += _left_in_groups(root)
    if not found and root == "/":
        with contextlib.suppress(AttributeError, OSError, ValueError):
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=None)


def _left_in_groups(root):
    """What the control groups of this process leave, of either version."""
    files = {"": ("memory.max", "memory.current", "inactive_file"),
             "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")}
    with contextlib.suppress(OSError), open(os.path.join(root, "proc/self/cgroup")) as groups:
        for line in groups:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            kind = "memory" if controllers else ""
            limit, used, cache = files[kind]
            top = os.path.join(root, "sys/fs/cgroup", kind)
            # in a container the path may be that outside of it: its parents are tried too
            while True:
                folder = os.path.join(top, path.strip("/"))
                with contextlib.suppress(OSError, ValueError):
                    left = _number(folder, limit) - _number(folder, used)
                    yield max(0, left + _in_statistics(folder, cache))
                if path.strip("/") == "":
                    break
                path = os.path.dirname(path.rstrip("/"))


def _number(folder, name):
    with open(os.path.join(folder, name)) as file:
        return int(file.read())         # ValueError for "max"


def _in_statistics(folder, name):
    """Bytes of cached files, which make room when asked."""
    with contextlib.suppress(OSError, ValueError), open(
            os.path.join(folder, "memory.stat")) as file:
        for line in file:
            if line.startswith(f"{name} "):
                return int(line.split()[1])
    return 0


def size_text(n_bytes):
    """``3.2 GB``."""
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB" if n_bytes < 1000 else f"{n_bytes / 1000:.3g} TB"


def fits(n_bytes):
    """Whether so many bytes are to be had, so far as anything tells."""
    available = available_bytes()
    return available is None or n_bytes <= available


def check_fits(path, n_bytes, advice):
    """CommandError where so many bytes are not to be had."""
    if not fits(n_bytes):
        raise CommandError(
            f"{path}: needs about {size_text(n_bytes)} of memory, and "
            f"{size_text(available_bytes())} are free; {advice}")
