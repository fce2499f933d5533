"""Proven graphs behind HTTP: a BentoML service that speaks the Open Inference Protocol and batches across clients."""
