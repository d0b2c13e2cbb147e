"""Stands in for ``pip install -e .``: writes the metadata of the folder's ``pyproject.toml`` beside its modules."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
metadata = Path(f"{project['name'].replace('-', '_')}-{project['version']}.dist-info")
metadata.mkdir(exist_ok=True)
(metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
groups = project["entry-points"]
lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups.items()]
(metadata / "entry_points.txt").write_text("\n".join(lines))
