"""Single neurons and small circuits of them."""
