"""Datasets: one file a plug-in, found by being here. Plug-ins never import each other."""
