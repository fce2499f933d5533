"""From a request to a graph's inputs and back: the door, the Open Inference Protocol, limits, keys, logs of requests."""
