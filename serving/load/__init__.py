"""Load on a service, and what it says: `zoo bench serve URL`. Works against any server of the Open Inference Protocol."""
