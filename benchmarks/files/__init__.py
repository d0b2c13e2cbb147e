"""Files of data sets and plug-ins: what they hold, told by content and not read twice."""
