"""Speech recognition: the model, voice activity, batches, segments."""
