"""Operations heads share: letterboxing, suppression, masks, batching."""
