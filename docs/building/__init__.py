"""The parts of the documentation that are made from the code when it is built: no page of them is written by hand."""
