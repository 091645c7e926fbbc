"""What belongs to the engine itself: server, start and stop, faults, dispatch to the planes."""
