"""Build of the compiled modules; everything else stands in pyproject.toml."""

import os
import platform
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SIMD = "emkernels/_simd"
DEBUG = os.environ.get("EMKERNELS_DEBUG") == "1"
FREE_THREADED = bool(__import__("sysconfig").get_config_var("Py_GIL_DISABLED"))
MACHINE = platform.machine().lower()


def simd_levels():
    """Name -> (compiler flags, vector bytes, width of the moment tile)."""
    if sys.platform == "win32":
        return {"baseline": ([], 0, 4)}
    if MACHINE in ("x86_64", "amd64"):
        return {
            "baseline": (["-march=x86-64-v2"], 16, 2),
            "v3": (["-march=x86-64-v3"], 32, 2),
            "v4": (["-march=x86-64-v4", "-mprefer-vector-width=512"], 64, 4),
        }
    return {"baseline": ([], 16, 4)}


def extension(name, sources, **options):
    macros = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")]
    if not FREE_THREADED:
        macros.append(("Py_LIMITED_API", "0x030b0000"))
    return Extension(
        name,
        sources,
        define_macros=macros + options.pop("macros", []),
        py_limited_api=not FREE_THREADED,
        **options,
    )


def extensions():
    shared = [str(p) for p in sorted(Path(SIMD).glob("*.p*")) if p.suffix in (".pxi", ".pxd")]
    shared.append(f"{SIMD}/vector.h")
    modules = [
        extension(
            f"emkernels._simd.{level}_{real}",
            [f"{SIMD}/{level}_{real}.pyx"],
            depends=shared,
            include_dirs=[SIMD],
            extra_compile_args=flags,
            macros=[
                ("EMK_DOUBLE", str(int(real == "double"))),
                ("EMK_VECTOR_BYTES", str(vector_bytes)),
                ("EMK_MB", str(width)),
            ],
        )
        for level, (flags, vector_bytes, width) in simd_levels().items()
        for real in ("double", "float")
    ]
    for source in sorted(Path("emkernels/kernels").glob("*.pyx")):
        modules.append(
            extension(
                f"emkernels.kernels.{source.stem}",
                [str(source)],
                depends=[f"{SIMD}/table.pxd", "emkernels/kernels/parallel.h"],
                include_dirs=["emkernels/kernels"],
                macros=[("EMK_LEVELS", '"' + ",".join(reversed(simd_levels())) + '"')],
            )
        )
    return modules


class BuildExt(build_ext):
    """Adds the flags that depend on the compiler, and probes it for OpenMP."""

    def build_extensions(self):
        if self.compiler.compiler_type == "msvc":
            compile_args, link_args = ["/O2", "/fp:contract"], []
            openmp = (["/openmp"], [])
        else:
            compile_args = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast",
                            "-fvisibility=hidden", "-fstack-protector-strong"]
            compile_args += ["-Wno-unused-function", "-Wno-unused-but-set-variable"]
            if DEBUG:
                compile_args += ["-O1", "-g", "-UNDEBUG"]
            link_args = []
            if sys.platform.startswith("linux"):
                compile_args += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
                link_args = ["-Wl,-z,relro,-z,now"]
            openmp = (["-fopenmp"], ["-fopenmp"])
            if sys.platform == "darwin":
                openmp = (["-Xpreprocessor", "-fopenmp"], ["-lomp"])
        if os.environ.get("EMKERNELS_NO_OPENMP") == "1" or not self.has_openmp(*openmp):
            print("emkernels: building WITHOUT OpenMP; the kernels will run on one thread")
            openmp = ([], [])
        for ext in self.extensions:
            # a level's own flags come last
            ext.extra_compile_args = compile_args + ext.extra_compile_args
            ext.extra_link_args = link_args + ext.extra_link_args
            if ext.name.startswith("emkernels.kernels."):
                ext.extra_compile_args += openmp[0]
                ext.extra_link_args += openmp[1]
        self.parallel = self.parallel or os.cpu_count()
        super().build_extensions()

    def has_openmp(self, compile_args, link_args):
        code = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(code)
            try:
                objects = self.compiler.compile(
                    [str(source)], output_dir=folder, extra_postargs=compile_args
                )
                self.compiler.link_executable(
                    objects, "probe", output_dir=folder, extra_postargs=link_args
                )
            except Exception:
                return False
        return True


setup(
    ext_modules=cythonize(
        extensions(),
        nthreads=os.cpu_count() or 1,
        build_dir="build",
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "initializedcheck": DEBUG,
            "cdivision": True,
            "freethreading_compatible": True,
            "embedsignature": True,
        },
    ),
    cmdclass={"build_ext": BuildExt},
    options={} if FREE_THREADED else {"bdist_wheel": {"py_limited_api": "cp311"}},
)
