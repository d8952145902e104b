"""Packs an sdist anew, so that its bytes depend on its content and SOURCE_DATE_EPOCH alone.

pack_sdist.py SDIST
"""

import gzip
import io
import os
import sys
import tarfile
from pathlib import Path

path = Path(sys.argv[1])
with tarfile.open(path) as made:
    members = [(member, made.extractfile(member).read()) for member in made if member.isfile()
               # made anew by setuptools, and not the same in an sdist of an sdist
               and ".egg-info/" not in member.name and not member.name.endswith("/setup.cfg")]
moment = int(os.environ["SOURCE_DATE_EPOCH"])
with (open(path, "wb") as file,
      gzip.GzipFile("", "wb", mtime=moment, fileobj=file) as packed,
      tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as sdist):
    for made, content in sorted(members, key=lambda pair: pair[0].name):
        member = tarfile.TarInfo(made.name)
        member.size, member.mtime = len(content), moment
        member.mode = 0o755 if made.mode & 0o100 else 0o644
        sdist.addfile(member, io.BytesIO(content))
