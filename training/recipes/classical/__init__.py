"""Estimators that are fitted by scikit-learn or a compatible library."""
