"""Networks that go downhill on an energy, or draw by it."""
