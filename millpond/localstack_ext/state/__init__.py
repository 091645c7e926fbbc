"""What survives the engine: found, pickled, saved, brought back, reset."""
