"""Answers of many clients that grow at the same time: their next steps are one call of the graph; knows nothing of HTTP."""
