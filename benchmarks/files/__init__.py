"""Files of data sets and plug-ins: hashes of their contents and listings of folders, each read once."""
