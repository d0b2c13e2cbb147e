"""Training shards: a data set's images and labels exported, and encoded by a codec."""
