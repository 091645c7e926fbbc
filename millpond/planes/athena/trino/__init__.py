"""Trino itself, for what the compiler has not proven: a server beside the stack, asked over HTTP."""
