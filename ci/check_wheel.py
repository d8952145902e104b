"""What the finished wheel and sdist hold: files, symbols, hardening. Needs binutils."""

import base64
import csv
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email import message_from_string
from pathlib import Path

GLIBC = (2, 17)     # of CentOS 7; Debian 11 has 2.31
SYSTEM = re.compile(r"lib(c|m|pthread|dl|rt)\.so\.\d|ld-linux-.*")


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


def check_library(path, grafted):
    """Faults of anything that the loader maps: what it needs of the machine."""
    versions = re.findall(r"GLIBC_(\d+)\.(\d+)", run("objdump", "-T", path))
    newest = max(tuple(map(int, version)) for version in versions)
    if newest > GLIBC:
        yield f"needs glibc {newest[0]}.{newest[1]}"
    for name in re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-dW", path)):
        if not SYSTEM.fullmatch(name) and name not in grafted:
            yield f"needs {name}, which is neither glibc's nor in the wheel"


def check_record(root, info):
    """RECORD names each file, with its hash and its size."""
    with open(info / "RECORD", newline="") as file:
        rows = {name: (digest, size) for name, digest, size in csv.reader(file)}
    files = {file.relative_to(root).as_posix(): file for file in root.rglob("*") if file.is_file()}
    for name in sorted(files.keys() ^ rows.keys()):
        yield f"{name} is in RECORD or in the wheel, not in both"
    for name in sorted(files.keys() & rows.keys() - {f"{info.name}/RECORD"}):
        content = files[name].read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        if rows[name] != (f"sha256={digest}", str(len(content))):
            yield f"RECORD is wrong about {name}"


def check_origins(root, info):
    """Licence texts, METADATA and the SBOM tell of all that was put into the wheel."""
    metadata = message_from_string((info / "METADATA").read_text("utf-8"))
    texts = {text.relative_to(info / "licenses").as_posix(): text.read_text("utf-8")
             for text in (info / "licenses").rglob("*") if text.is_file()}
    if set(metadata.get_all("License-File", [])) != set(texts) or "LICENSE" not in texts:
        yield f"METADATA names {metadata.get_all('License-File')}, and {sorted(texts)} are there"
    grafted = sorted((root / "emkernels.libs").glob("*"))
    if len(grafted) != 1 or not grafted[0].name.startswith("libgomp-"):
        yield f"the libraries in it are {[library.name for library in grafted]}, not libgomp alone"
        return
    if "GPL-3.0-or-later WITH GCC-exception-3.1" not in metadata["License-Expression"]:
        yield "License-Expression says nothing of libgomp"
    for name, words in (("COPYING3", "GNU GENERAL PUBLIC LICENSE"), ("README", "emkernels.libs"),
                        ("COPYING.RUNTIME", "GCC RUNTIME LIBRARY EXCEPTION")):
        if words not in texts.get(f"libgomp/{name}", ""):
            yield f"libgomp/{name} is not among the licences"
    (bill,) = (json.loads(file.read_text("utf-8")) for file in (info / "sboms").glob("*.json"))
    if bill["metadata"]["component"]["version"] != metadata["Version"]:
        yield "the SBOM is of another version"
    (component,) = bill["components"]
    (digest,) = component["hashes"]
    if digest["content"] != hashlib.sha256(grafted[0].read_bytes()).hexdigest():
        yield f"{grafted[0].name} is not the file that the SBOM tells of"
    if component["name"] != "libgomp" or f"libgomp@{component['version']}" not in component["purl"]:
        yield f"the SBOM calls libgomp {component['purl']}"
    pins = Path(__file__).with_name("libgomp.txt").read_text()
    pinned = re.search(r"^scikit-learn==(\S+)", pins, re.M)[1]
    if f"scikit_learn-{pinned}-" not in component["pedigree"]["notes"]:
        yield "the SBOM does not name the wheel that libgomp is from"


def check_wheel(path):
    if "cp311-abi3-" not in path.name or "manylinux_2_17" not in path.name:
        yield f"{path.name} is not a cp311-abi3 manylinux_2_17 wheel"
    with zipfile.ZipFile(path) as wheel, tempfile.TemporaryDirectory() as folder:
        wheel.extractall(folder)
        names = wheel.namelist()
        root = Path(folder)
        (info,) = root.glob("*.dist-info")
        modules = sorted((root / "emkernels").rglob("*.so"))
        grafted = {library.name for library in (root / "emkernels.libs").glob("*")}
        for module in modules:
            for fault in check_module(module):
                yield f"{module.name} {fault}"
        for library in root.rglob("*.so*"):
            for fault in check_library(library, grafted):
                yield f"{library.name} {fault}"
        yield from check_record(root, info)
        yield from check_origins(root, info)
    if not modules:
        yield "no extension module"
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
    for suffix in (".py", ".pyi", ".pxd", ".typed"):
        for file in sorted(Path("emkernels").rglob(f"*{suffix}")):
            if file.as_posix() not in names:
                yield f"{file.as_posix()} is missing"


def check_sdist(path):
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    folders = ("emkernels", "examples", "tests")
    for file in (file for folder in folders for file in Path(folder).rglob("*")):
        source = file.suffix in (".py", ".pyx", ".pxd", ".pxi", ".pyi", ".h")
        if source and file.as_posix() not in names:
            yield f"{file} is missing"
    for file in (".ci/run", "pyproject.toml", "setup.py", "LICENSE"):
        if file not in names:
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
