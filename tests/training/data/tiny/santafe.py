"""A chaotic series of 1,200 integers as text: the logistic map x ← 3.9 x (1 − x), in 255ths."""


def contents():
    x, lines = 0.3, []
    for _ in range(1200):
        lines.append(f"{round(255 * x)}\n")
        x = 3.9 * x * (1 - x)
    return ("".join(lines).encode(),)
