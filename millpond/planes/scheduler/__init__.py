"""EventBridge Scheduler: when a schedule is due, and which call its target stands for. Pure functions.

Source: the EventBridge Scheduler User Guide, "Schedule types", "Managing targets" and "Context attributes".
"""
