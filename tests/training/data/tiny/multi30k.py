"""Tiny files in the format of Multi30k: sentences that are translated word by word, each in one split only."""

import itertools

import numpy as np

NAMES = {"Hund": "dog", "Mann": "man", "Ball": "ball", "Junge": "boy", "Vogel": "bird", "Zug": "train"}
VERBS = {"läuft": "runs", "schläft": "sleeps", "wartet": "waits", "lacht": "laughs", "singt": "sings", "fällt": "falls"}
PLACES = {"": "", " hier": " here", " heute": " today", " draußen": " outside", " oben": " above", " allein": " alone"}
ROWS = (120, 20, 40)


def contents():
    triples = list(itertools.product(NAMES, VERBS, PLACES))
    order = np.random.default_rng(0).permutation(len(triples))
    files, start = [], 0
    for rows in ROWS:
        chosen = [triples[number] for number in order[start : start + rows]]
        german = [f"Ein {name} {verb}{place}.\n" for name, verb, place in chosen]
        english = [f"A {NAMES[name]} {VERBS[verb]}{PLACES[place]}.\n" for name, verb, place in chosen]
        files += ["".join(german).encode(), "".join(english).encode()]
        start += rows
    return tuple(files)
