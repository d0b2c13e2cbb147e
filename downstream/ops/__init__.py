"""Operations that heads share: letterboxing, non-maximum suppression, masks, batching."""
