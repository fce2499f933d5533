"""Requests of many clients become few executions of one graph; knows nothing of HTTP or processes."""
