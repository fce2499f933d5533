"""The worker processes of one service: supervised, serving the same models, counted together."""
