"""The harness: a run is planned, carried out by workers, kept in a store, and scored."""
