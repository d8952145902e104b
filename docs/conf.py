"""The site: `python -m sphinx -W -n docs OUT`, with the extra `docs` installed.

Nothing is fetched. What is made from the package is made at every build by the small extensions of
`_ext`: a page for every public name, the commands' help, the gallery, figures and inventories.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

import inventories  # noqa: E402, I001
from examples import prepare  # noqa: E402
import emkernels  # noqa: E402

project = "emkernels"
author = "emkernels developers"
project_copyright = author
version = release = emkernels.__version__
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    # of this folder
    "api_pages",
    "chapters",
    "cli_pages",
    "figures",
    "formulas",
]
exclude_patterns = ["_ext", "_static", "inventories", "gallery/**/*.py", "gallery/**/*.md5",
                    "gallery/**/*.ipynb", "gallery/sg_execution_times.rst",
                    "sg_execution_times.rst", "figures/*.md"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
root_doc = "index"
default_role = "code"       # as in the docstrings: single backticks name an argument
nitpicky = True
smartquotes = False         # two dashes are those of an option
toc_object_entries_show_parents = "hide"

# --- docstrings ----------------------------------------------------------------------------
autosummary_generate = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False
# what `default_role` would do to the names of attributes is a link that may lead nowhere
numpydoc_attributes_as_param_list = True

# --- Markdown ------------------------------------------------------------------------------
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

# --- links to other packages' pages, from names kept in `inventories` --------------------------
intersphinx_mapping = inventories.mapping(HERE)
intersphinx_timeout = 1

# --- gallery -------------------------------------------------------------------------------
sphinx_gallery_conf = {
    "examples_dirs": str(prepare(HERE)),
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "image_scrapers": ("examples",),
    "reset_argv": "examples.arguments",
    "within_subsection_order": "examples.in_order",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 1e9,
    "doc_module": ("emkernels",),
    "backreferences_dir": None,
    "reference_url": {"emkernels": None},
    "inspect_global_variables": False,
    "show_signature": False,
    "plot_gallery": True,
    "abort_on_example_error": True,
}

# --- HTML ----------------------------------------------------------------------------------
html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"emkernels {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "emkernels"},
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {
    # pages that have none below them
    "install": [], "ten_minutes": [], "benchmarks": [], "numerics": [], "changelog": [],
    "contributing": [], "security": [], "citing": [], "scale": [], "overview": [],
    "beside_others": [], "recipes": [], "index": [],
}
