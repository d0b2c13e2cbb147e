"""Tasks: one file per plug-in, registered by lying in this folder. Plug-ins never import each other."""
