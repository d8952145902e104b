"""Build of the compiled modules; everything else stands in pyproject.toml.

EMKERNELS_NO_OPENMP=1 builds sequential kernels, EMKERNELS_DEBUG=1 kernels that check bounds,
EMKERNELS_SANITIZE=address,undefined kernels for ci/sanitize.sh.
"""

import os
import sys
import sysconfig
import tempfile
from contextlib import contextmanager
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

DEBUG = os.environ.get("EMKERNELS_DEBUG") == "1"
SANITIZE = os.environ.get("EMKERNELS_SANITIZE")
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "embedsignature": True,
}


def simd_levels():
    """Name -> (compiler flags, vector bytes)."""
    if sys.platform == "win32":
        return {"baseline": ([], 0)}
    # of what is built for, by a cross compiler perhaps, and not of this machine
    if sysconfig.get_platform().endswith(("x86_64", "amd64")):
        return {
            "baseline": (["-march=x86-64-v2"], 16),
            "v3": (["-march=x86-64-v3"], 32),
            "v4": (["-march=x86-64-v4", "-mprefer-vector-width=512"], 64),
        }
    return {"baseline": ([], 16)}


def extension(source, flags, macros):
    folder = Path(source).parent
    return Extension(
        ".".join(Path(source).with_suffix("").parts),
        [source],
        # Cython finds the .pxi and .pxd by itself, the headers only setuptools
        depends=[header.as_posix() for header in sorted(folder.glob("*.h"))],
        include_dirs=[folder.as_posix()],
        extra_compile_args=flags,
        define_macros=macros if FREE_THREADED else [("Py_LIMITED_API", "0x030b0000"), *macros],
        libraries=[] if sys.platform == "win32" else ["m"],
        py_limited_api=not FREE_THREADED,
    )


def extensions():
    modules = []
    for level, (flags, vector_bytes) in simd_levels().items():
        for real in ("double", "float"):
            macros = [("EMK_DOUBLE", str(int(real == "double"))),
                      ("EMK_VECTOR_BYTES", str(vector_bytes))]
            modules.append(extension(f"emkernels/_simd/{level}_{real}.pyx", flags, macros))
    best_first = '"' + ",".join(reversed(simd_levels())) + '"'
    for source in sorted(Path("emkernels/kernels").glob("*.pyx")):
        modules.append(extension(source.as_posix(), [], [("EMK_LEVELS", best_first)]))
    return modules


@contextmanager
def silence():
    """Nothing on the descriptors 1 and 2, to which compilers write."""
    saved = os.dup(1), os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        sys.stdout.flush()
        os.dup2(saved[2], 1)
        os.dup2(saved[2], 2)
        yield
        sys.stdout.flush()
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in saved:
            os.close(descriptor)


class BuildExt(build_ext):
    """Adds the flags that depend on the compiler, probes it for OpenMP, runs Cython."""

    def build_extensions(self):
        compile_args, link_args, openmp = self.flags()
        if os.environ.get("EMKERNELS_NO_OPENMP") == "1" or not self.has_openmp(*openmp):
            print("emkernels: building WITHOUT OpenMP; the kernels will run on one thread")
            openmp = ([], [])
        for ext in self.extensions:
            threaded = ext.name.startswith("emkernels.kernels.")
            # a level's own flags come last
            ext.extra_compile_args = compile_args + openmp[0] * threaded + ext.extra_compile_args
            ext.extra_link_args = link_args + openmp[1] * threaded
        # time stamps do not tell that the flags are others than last time
        stamp = Path(f"build/flags-{sys.implementation.cache_tag}-{int(self.inplace)}.txt")
        flags = repr([(ext.name, ext.define_macros, ext.extra_compile_args, ext.extra_link_args)
                      for ext in self.extensions] + [DIRECTIVES])
        self.force = self.force or not stamp.exists() or stamp.read_text() != flags
        self.parallel = self.parallel or os.cpu_count() or 1
        translated = cythonize(self.extensions, nthreads=self.parallel, force=self.force,
                               build_dir="build", compiler_directives=DIRECTIVES)
        sources = {ext.name: ext.sources for ext in translated}
        for ext in self.extensions:     # setuptools has noted more on its own objects
            ext.sources = sources[ext.name]
        super().build_extensions()
        stamp.write_text(flags)

    def flags(self):
        """Compiler flags, linker flags, and the pair of both that OpenMP needs."""
        if self.compiler.compiler_type == "msvc":
            return ["/O2", "/fp:contract"], [], (["/openmp"], [])
        compile_args = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast",
                        "-fvisibility=hidden", "-fstack-protector-strong",
                        "-Wno-unused-function", "-Wno-unused-but-set-variable"]
        compile_args += ["-O1", "-g", "-UNDEBUG"] if DEBUG else ["-g0"]
        if SANITIZE:    # -O3 takes long with checks, which stand for those of the C library
            sanitize = f"-fsanitize={SANITIZE}"
            compile_args += ["-O2", "-g1", "-fno-omit-frame-pointer", "-fno-stack-protector"]
            # undefined behaviour ends the process, too: gcc's log_path does not hold for it
            return ([*compile_args, sanitize, "-fno-sanitize-recover=all"], [sanitize],
                    (["-fopenmp"], ["-fopenmp"]))
        if sys.platform == "darwin":
            return compile_args, [], (["-Xpreprocessor", "-fopenmp"], ["-lomp"])
        compile_args += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
        return compile_args, ["-Wl,-z,relro,-z,now"], (["-fopenmp"], ["-fopenmp"])

    def has_openmp(self, compile_args, link_args):
        with tempfile.TemporaryDirectory() as folder, silence():
            probe = Path(folder, "probe.c")
            probe.write_text("#include <omp.h>\nint main(void) { return omp_get_max_threads(); }\n")
            try:
                made = self.compiler.compile([str(probe)], folder, extra_postargs=compile_args)
                self.compiler.link_executable(made, "probe", folder, extra_postargs=link_args)
            except (CompileError, LinkError):
                return False
        return True


if __name__ == "__main__":
    setup(
        ext_modules=extensions(),
        cmdclass={"build_ext": BuildExt},
        options={} if FREE_THREADED else {"bdist_wheel": {"py_limited_api": "cp311"}},
    )
