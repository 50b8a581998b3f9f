"""How the documentation is built: ``bash .ci/docs``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import vqe_prune

project = "vqe_prune"
version = release = vqe_prune.__version__
copyright = "the authors of vqe_prune, Apache-2.0"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "generated_text",
    "mathml",
    "public_names",
]
exclude_patterns = ["_build"]
default_role = "py:obj"  # `name` in a docstring: a link where the name is public, else code

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks hold the outputs of `python docs/make_notebooks.py`

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autosummary_generate = False
nitpick_ignore = [  # imported where they are needed
    ("py:class", "AbstractProcessor"),  # of cirq_google
    ("py:class", "QubitOperator"),  # of openfermion
]
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # types stand in the signature

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "vqe_prune"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
highlight_language = "text"
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
