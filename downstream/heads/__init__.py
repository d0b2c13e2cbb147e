"""One file a head family; every file here is a plug-in."""
