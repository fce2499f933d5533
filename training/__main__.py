"""`python -m training train MODEL`, and `python -m training.recipes.<group>.<recipe>` for one recipe."""

from training.command import main

if __name__ == "__main__":
    main()
