"""Hubs other than the folder that came with the code: an index, its signature, and files named by their SHA-256.

`index.json` lists every version of every model with the hash and size of each of its files. A file `<sha256>` has the
content of that hash, so equal files are stored once, and what was published is never written again. `<sha256>.sig` is the
signature of the index of that hash: index and signature change in one step, the replacement of `index.json`.
"""
