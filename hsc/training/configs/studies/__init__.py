"""Studies, as TOML: a package so that they are installed with the code."""
