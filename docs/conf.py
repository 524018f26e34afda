"""How Sphinx makes the documentation site.

    python -m sphinx -W --keep-going -b html docs build/docs

needs `pip install -e ".[docs]"`. A warning or a link that leads nowhere fails the build. The pages ask no other machine
for anything: fonts, scripts and the search are in the site.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

from diorama import __version__

project = "Diorama"
author = "The Diorama contributors"
copyright = "The Diorama contributors, MIT licence"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated", "keyboard"]
exclude_patterns = ["extensions", "**/.ipynb_checkpoints"]
source_suffix = {".md": "markdown"}

nitpicky = False  # types of NumPy and Pillow have no page here
default_role = "literal"  # docstrings write `name` as Markdown does
myst_heading_anchors = 4
myst_links_external_new_tab = False

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"Diorama {__version__}"
html_static_path: list[str] = []
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}
