"""Files read within bounds and written whole: tensors, JSON, pictures' containers, digests."""
