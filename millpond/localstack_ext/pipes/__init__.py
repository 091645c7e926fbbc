"""EventBridge Pipes: what a queue or a stream has, filtered, transformed and given to a target."""
