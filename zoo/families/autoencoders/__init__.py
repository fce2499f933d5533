"""Models that find a code from which their input can be rebuilt."""
