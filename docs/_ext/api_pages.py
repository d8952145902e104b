"""A page for every public name, made of `__all__` at every build, in groups.

A name that is in no group, or in two, ends the build: say below where it belongs.
"""

import importlib
import inspect
import sys
from pathlib import Path

# module -> (what it holds, groups: title -> names); "*": all of the module's names, in their order
MODULES = {
    "emkernels": ("Models, and what goes with them", {
        "Mixtures": ["GaussianMixture", "StudentTMixture", "MixtureOfFactorAnalyzers",
                     "select_mixture", "SelectionResult"],
        "Clusters": ["KMeans", "compare_clusterings", "ClusteringComparison"],
        "Missing values": ["GaussianImputer", "GaussianMixtureImputer", "pool",
                           "missing_data_summary", "little_mcar_test"],
        "Factors": ["FactorAnalysis", "select_factors", "FactorSelection", "parallel_analysis"],
        "Latent classes": ["LatentClassAnalysis", "select_classes", "blrt"],
        "Hidden Markov models": ["GaussianHMM", "CategoricalHMM", "MixtureHMM"],
        "Images": ["segment_image", "Segmentation"],
        "Statistics that add up": ["SufficientStatistics"],
        "Files of models": ["load", "SKOPS_TYPES"],
        "The package": ["show_config", "EMWarning"],
    }),
    "emkernels.plotting": ("Pictures on matplotlib's axes (extra `plot`)", "*"),
    "emkernels.kernels": ("Stateless functions on arrays", {
        "Mixtures": ["em_statistics", "EMStatistics", "e_step", "log_density", "responsibilities",
                     "weighted_moments", "Moments"],
        "Missing values": ["missing_patterns", "MissingPatterns", "incomplete_statistics",
                           "incomplete_e_step", "conditional_moments", "ConditionalMoments",
                           "conditional_draws"],
        "K-means": ["kmeans_plusplus", "kmeans_statistics", "KMeansStatistics"],
        "Student t": ["student_statistics", "student_e_step", "StudentMoments"],
        "Factors": ["factor_statistics", "factor_e_step", "FactorSums"],
        "Chains": ["chain_statistics", "ChainStatistics", "viterbi"],
        "Images": ["potts_statistics", "PottsStatistics"],
        "Arguments": ["check_finite", "check_labels", "check_sample_weight"],
    }),
    "emkernels.em": ("The EM loop, for models of one's own", "*"),
    "emkernels.em.protocol": ("What the loop asks of a model and of rows",
                              ["Model", "Components", "Statistics", "Source"]),
    "emkernels.em.progress": ("How far passes over blocks are", ["watching"]),
    "emkernels.data": ("Rows, and blocks of them", "*"),
    "emkernels.distributed": ("Fits of Dask collections (extra `distributed`)", "*"),
    "emkernels.spark": ("Fits of Spark data frames (extra `spark`)", "*"),
    "emkernels.ray": ("Fits of blocks that Ray holds (extra `ray`)", "*"),
    "emkernels.models.factors.rotation": ("Rotations of loadings, as `FactorAnalysis` makes them",
                                         ["rotate"]),
    "emkernels.models.imputation.information": ("Standard errors, as `GaussianImputer` has them",
                                               ["standard_errors", "missing_information"]),
    "emkernels.latent": ("What is hidden: parts of the estimators", "*"),
    "emkernels.components.gaussian": ("Normal components: parts of the estimators", "*"),
}

# what is neither a class nor a function has no docstring of its own
DATA = {
    "emkernels.plotting.PALETTE": "The colours of the pictures, in their order.",
    "emkernels.SKOPS_TYPES": "Names of the types in files of skops: "
                             "``skops.io.load(file, trusted=emkernels.SKOPS_TYPES)``.",
}


def public(module):
    """The names of a module that have a page."""
    names = getattr(importlib.import_module(module), "__all__", None)
    if names is None:
        return list(MODULES[module][1])
    return [name for name in names if name != "__version__"]


def groups(module):
    """title -> names. ValueError where the groups are not the names of `__all__`, each once."""
    _, grouped = MODULES[module]
    if not isinstance(grouped, dict):
        return {"": public(module)}
    listed = [name for names in grouped.values() for name in names]
    twice = sorted({name for name in listed if listed.count(name) > 1})
    missing = sorted(set(public(module)) - set(listed))
    gone = sorted(set(listed) - set(public(module)))
    if twice or missing or gone:
        raise ValueError(f"docs/_ext/api_pages.py: of {module}, in no group: {missing}, in two: "
                         f"{twice}, not public: {gone}")
    return grouped


def pages():
    """(module, name) of everything that has a page of its own."""
    return [(module, name) for module in MODULES
            for names in groups(module).values() for name in names]


# --- what a page says ----------------------------------------------------------------------

def _heading(text, line="="):
    return [text, line * len(text), ""]


def _members(cls):
    """Public methods, those of this package in the order of their source and the others' names."""
    ours, others = [], []
    for name in dir(cls):
        if name.startswith("_"):
            continue
        item = inspect.getattr_static(cls, name)
        function = getattr(item, "fn", getattr(item, "__func__", item))
        home = getattr(function, "__module__", None) or ""
        if isinstance(item, property) or not callable(getattr(cls, name, None)):
            continue
        # those that depend on what the class has, as transform_chunks on transform
        if hasattr(item, "check") and not hasattr(cls(), name):
            continue
        if home.startswith("sklearn"):
            others.append(name)
        elif home.startswith("emkernels") or not home:
            ours.append(name)
    usual = ["fit", "fit_predict", "fit_transform", "predict", "predict_proba", "transform"]
    return (sorted(ours, key=lambda n: (usual.index(n) if n in usual else len(usual), n)),
            sorted(others))


def _home(name, item):
    """The first module that has it: there it is described."""
    return next(module for module in MODULES if name in public(module)
                and getattr(importlib.import_module(module), name) is item)


def _class_page(module, name, cls):
    lines = [f".. autoclass:: {name}", ""]
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return lines + [f"Fields, in this order: {', '.join(f'``{f}``' for f in cls._fields)}.", ""]
    if issubclass(cls, (Exception, Warning)):
        return lines
    ours, others = _members(cls)
    # NumPy's and Python's own containers, structs of the compiled modules
    documented = [method for method in ours if (getattr(cls, method).__doc__ or "").strip()]
    if documented:
        lines += [".. rubric:: Methods", "", ".. autosummary::", "   :nosignatures:", ""]
        lines += [f"   {name}.{method}" for method in documented] + [""]
        for method in documented:
            lines += [f".. automethod:: {name}.{method}", ""]
    if others:
        lines += ["From scikit-learn, as they are there: "
                  + ", ".join(f"``{method}``" for method in others) + ".", ""]
    return lines


def _page(module, name):
    item = getattr(importlib.import_module(module), name)
    lines = [*_heading(name), f".. currentmodule:: {module}", ""]
    first = _home(name, item)
    if first != module:
        lines += [f"Another name of :obj:`{first}.{name}`, which is described there: "
                  + " ".join((inspect.getdoc(item) or "").split("\n\n")[0].split()), "",
                  f".. py:class:: {name}", "   :no-typesetting:", ""]
    elif inspect.isclass(item):
        lines += _class_page(module, name, item)
    elif callable(item):
        lines += [f".. autofunction:: {name}", ""]
    else:
        lines += [f".. data:: {name}", "", f"   {DATA[f'{module}.{name}']}", "",
                  *(f"   - ``{each}``" for each in item), ""]
    return "\n".join(lines)


def _summary(names):
    lines = [".. autosummary::", "   :nosignatures:", ""]
    return [*lines, *(f"   {name}" for name in names), ""]


def _module_page(module):
    title, _ = MODULES[module]
    lines = [*_heading(module), f"{title}.", "", f".. currentmodule:: {module}", ""]
    for group, names in groups(module).items():
        if group:
            lines += [*_heading(group, "-")]
        lines += _summary(names)
    names = [name for names in groups(module).values() for name in names]
    lines += [".. toctree::", "   :hidden:", ""]
    lines += [f"   {name} <{module}.{name}>" for name in names]
    return "\n".join([*lines, ""])


def _index():
    lines = [*_heading("API"),
             "A page for every public name. Arrays are NumPy's; shapes, types and units are said "
             "with each argument, errors name the argument, row or column.", "",
             ".. list-table::", "   :widths: 35 65", ""]
    for module, (title, _) in MODULES.items():
        lines += [f"   * - :doc:`{module} <{module}>`", f"     - {title}"]
    lines += ["", ".. toctree::", "   :hidden:", ""]
    lines += [f"   {module}" for module in MODULES]
    return "\n".join([*lines, ""])


def keep(path, text):
    """Written only where it is new, so that a second build reads little."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write(app):
    folder = Path(app.srcdir) / "api"
    texts = {"index": _index()}
    texts |= {module: _module_page(module) for module in MODULES}
    texts |= {f"{module}.{name}": _page(module, name) for module, name in pages()}
    for name, text in texts.items():
        keep(folder / f"{name}.rst", text)
    for old in folder.glob("*.rst"):
        if old.stem not in texts:
            old.unlink()


# --- references ----------------------------------------------------------------------------

def _path(target, start):
    """What a dotted name leads to from an object, or None."""
    for part in target.split("."):
        start = getattr(start, part, None) if start is not None else None
    return start


def _inside(target):
    """Whether a full name is something of the package that has no page."""
    parts = target.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        return cut == len(parts) or _path(".".join(parts[cut:]), module) is not None
    return False


def _of_a_class(target):
    """Whether a short name is that of a class of the package, or of what it has."""
    return any(inspect.isclass(getattr(module, target.partition(".")[0], None))
               and _path(target, module) is not None
               for name, module in list(sys.modules.items()) if name.startswith("emkernels."))


def resolve(app, env, node, contnode):
    """Names that docstrings write short, as `fit` in the table of a class's methods, become links;
    those of the package that have no page, as text. What is neither is a warning."""
    from sphinx.util.nodes import make_refnode

    page, target = node.get("refdoc", "").removeprefix("api/"), node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target:
        return None
    domain = env.domains["py"]
    module, _, name = page.rpartition(".")
    if module in MODULES and page not in MODULES:
        described = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
        # an attribute is described with its class
        place = f"{page}.{target}" if f"{page}.{target}" in domain.objects else page
        if place in domain.objects and (place != page or target in described):
            entry = domain.objects[place]
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode)
    if target.startswith("emkernels."):
        return contnode if _inside(target) else None
    return contnode if _of_a_class(target) else None


def say(app, what, name, item, options, lines):
    """In tables Sphinx would show the docstring of a constant's type."""
    if name in DATA:
        lines[:] = [DATA[name]]


def setup(app):
    app.connect("autodoc-process-docstring", say)
    app.connect("builder-inited", write)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
