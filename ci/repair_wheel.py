"""A wheel that any Linux with glibc 2.17 runs, libgomp in it, the same bytes each time.

repair_wheel.py WHEEL FOLDER     with pip, auditwheel and patchelf

auditwheel sees to it that nothing newer is needed, strips and names the wheel; it is not let near
libgomp, as the build machine's own may be of a newer glibc. That library comes out of a wheel on
PyPI (libgomp.txt), not a byte of it changed, with its licences and an SBOM that says so.
"""

import base64
import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = "4.8.5-44.el7"
LICENSE = "GPL-3.0-or-later WITH GCC-exception-3.1"
# what CentOS 7 ended with; the stripped file does not say its release
NOTES = "Unchanged from {} on PyPI, built in manylinux2014 (CentOS 7, last libgomp: {})."


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def libgomp(machine, folder):
    """The library, and the name of the wheel that it was in."""
    run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes",
        "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp", "--abi",
        "cp311", "--platform", f"manylinux2014_{machine}", "-d", folder, "-r", HERE / "libgomp.txt")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as peer:
        (name,) = (name for name in peer.namelist() if "/libgomp-" in name)
        return Path(name).name, peer.read(name), wheel.name


def graft(root, name, content):
    """Puts the library beside the package; the modules that need it look for it there."""
    libs = root / "emkernels.libs"
    libs.mkdir()
    (libs / name).write_bytes(content)
    for module in sorted(root.rglob("emkernels/**/*.so")):
        dynamic = subprocess.run(["patchelf", "--print-needed", module], check=True,
                                 capture_output=True, text=True).stdout
        if "libgomp.so.1" in dynamic.split():
            up = os.path.relpath(libs, module.parent)
            run("patchelf", "--replace-needed", "libgomp.so.1", name,
                "--force-rpath", "--set-rpath", f"$ORIGIN/{up}", module)


def license_metadata(info):
    """The licence texts, in METADATA too."""
    metadata = (info / "METADATA").read_text("utf-8")
    texts = sorted(text.name for text in (HERE / "licenses").iterdir())
    files = "\n".join(f"License-File: {text}"
                      for text in ["LICENSE", *(f"libgomp/{text}" for text in texts)])
    metadata, found = re.subn(r"^(License-Expression: .*)$", rf"\1 AND {LICENSE}", metadata,
                              count=1, flags=re.M)
    metadata, more = re.subn(r"^License-File: LICENSE$", files, metadata, count=1, flags=re.M)
    if not found or not more:
        raise SystemExit("repair_wheel: METADATA names no licence")
    (info / "METADATA").write_text(metadata, "utf-8")
    folder = info / "licenses" / "libgomp"
    folder.mkdir()
    for text in (HERE / "licenses").iterdir():
        (folder / text.name).write_bytes(text.read_bytes())


def bill_of_materials(info, machine, content, wheel):
    name, version = info.name.removesuffix(".dist-info").split("-")
    ours = f"pkg:pypi/{name}@{version}"
    theirs = f"pkg:rpm/centos/libgomp@{PACKAGE}?arch={machine}"
    us = {"type": "library", "bom-ref": ours, "name": name, "version": version, "purl": ours}
    library = {
        "type": "library", "bom-ref": theirs, "name": "libgomp", "version": PACKAGE, "purl": theirs,
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}],
        "licenses": [{"expression": LICENSE}],
        "pedigree": {"notes": NOTES.format(wheel, PACKAGE)},
    }
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
            "metadata": {"component": us}, "components": [library],
            "dependencies": [{"ref": ours, "dependsOn": [theirs]}, {"ref": theirs}]}
    (info / "sboms").mkdir()
    (info / "sboms" / "libgomp.cdx.json").write_text(json.dumps(bill, indent=2) + "\n", "utf-8")


def pack(root, info, path):
    """RECORD, and a wheel whose bytes depend on its content and SOURCE_DATE_EPOCH alone."""
    (info / "RECORD").unlink()
    files = sorted((file for file in root.rglob("*") if file.is_file()),
                   key=lambda file: (info in file.parents, file.relative_to(root).as_posix()))
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    for file in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest())
        writer.writerow([file.relative_to(root).as_posix(),
                         "sha256=" + digest.rstrip(b"=").decode(), file.stat().st_size])
    writer.writerow([(info / "RECORD").relative_to(root).as_posix(), "", ""])
    (info / "RECORD").write_text(rows.getvalue(), "utf-8")
    first = 315532800           # of 1980: a zip file knows nothing older
    moment = time.gmtime(max(first, int(os.environ.get("SOURCE_DATE_EPOCH", first))))[:6]
    with zipfile.ZipFile(path, "w") as wheel:
        for file in [*files, info / "RECORD"]:
            entry = zipfile.ZipInfo(file.relative_to(root).as_posix(), moment)
            entry.external_attr = (0o100755 if ".so" in file.suffixes else 0o100644) << 16
            wheel.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


def main(wheel, folder):
    machine = re.search(r"-linux_(\w+)\.whl$", wheel.name)[1]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        run("auditwheel", "repair", "--strip", "--plat", f"manylinux_2_17_{machine}",
            "--exclude", "libgomp.so.1", "--wheel-dir", work / "named", wheel)
        (named,) = (work / "named").glob("*.whl")
        root = work / "root"
        with zipfile.ZipFile(named) as plain:
            plain.extractall(root)
        (info,) = root.glob("*.dist-info")
        name, content, peer = libgomp(machine, work / "peer")
        graft(root, name, content)
        license_metadata(info)
        bill_of_materials(info, machine, content, peer)
        pack(root, info, folder / named.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
