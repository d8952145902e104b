"""What the finished wheel and sdist hold: files, symbols, hardening. Needs binutils."""

import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_module(path):
    """Faults of one extension module."""
    exported = [line.split()[-1] for line in run("nm", "-D", "--defined-only", path).splitlines()]
    if exported != [f"PyInit_{path.name.partition('.')[0]}"]:
        yield f"exports {exported}"
    if ".debug_info" in run("readelf", "-SW", path):
        yield "has debug information"
    headers, dynamic = run("readelf", "-lW", path), run("readelf", "-dW", path)
    if "GNU_RELRO" not in headers or "BIND_NOW" not in dynamic:
        yield "is not full RELRO"
    if re.search(r"GNU_STACK.*RWE", headers):
        yield "has an executable stack"
    if "TEXTREL" in dynamic:
        yield "has text relocations"
    for run_path in re.findall(r"R(?:UN)?PATH.*\[(.*)\]", dynamic):
        if not run_path.startswith("$ORIGIN"):
            yield f"looks for libraries in {run_path}"
    undefined = run("nm", "-D", "--undefined-only", path)
    if "__stack_chk_fail" not in undefined:
        yield "has no stack protector"
    for line in undefined.splitlines():
        name = line.split()[-1]
        if line.split()[0] == "U" and "@" not in name and not re.match(r"_?Py", name):
            yield f"takes {name} from a library that it does not link"


def check_wheel(path):
    if "cp311-abi3-manylinux" not in path.name:
        yield f"{path.name} is not a cp311-abi3 manylinux wheel"
    with zipfile.ZipFile(path) as wheel, tempfile.TemporaryDirectory() as folder:
        wheel.extractall(folder)
        names = wheel.namelist()
        modules = sorted(Path(folder, "emkernels").rglob("*.so"))
        for module in modules:
            for fault in check_module(module):
                yield f"{module.name} {fault}"
    if not modules:
        yield "no extension module"
    package = Path(__file__).resolve().parents[1] / "emkernels"
    for stub in package.rglob("*.pyi"):
        if str(stub.relative_to(package.parent)) not in names:
            yield f"{stub.name} of {stub.parent.name} is not in the wheel"
    for name in names:
        if name.endswith((".pyx", ".pxi", ".h", ".c")):
            yield f"source {name} is in the wheel"
        if not name.startswith(("emkernels/", "emkernels.libs/", "emkernels-")):
            yield f"{name} would be installed beside the package"
    for module in modules:
        if module.parent.name == "_simd":
            continue
        wanted = f"emkernels/kernels/{module.name.partition('.')[0]}.pxd"
        if wanted not in names:
            yield f"{wanted} is missing"
    for wanted in ("__init__.pxd", "py.typed", "kernels/__init__.pxd", "_simd/table.pxd"):
        if f"emkernels/{wanted}" not in names:
            yield f"emkernels/{wanted} is missing"


def check_sdist(path):
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    folders = ("emkernels", "examples", "tests")
    for file in (file for folder in folders for file in Path(folder).rglob("*")):
        source = file.suffix in (".py", ".pyx", ".pxd", ".pxi", ".pyi", ".h")
        if source and file.as_posix() not in names:
            yield f"{file} is missing"
    for name in names:
        if name.endswith((".c", ".so")):
            yield f"{name} is in the sdist"


faults = 0
for argument in map(Path, sys.argv[1:]):
    for fault in (check_wheel if argument.suffix == ".whl" else check_sdist)(argument):
        faults += 1
        print(f"{argument.name}: {fault}", file=sys.stderr)
sys.exit(bool(faults))
