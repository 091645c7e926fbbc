"""EventBridge Scheduler, whose schedules are due here too."""
