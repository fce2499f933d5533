"""A model that was pulled from a hub is proven against its original, which is fetched with it."""

from zoo.hub import Hub
from zoo.manifest import CARD
from zoo.publish import publish


def test_a_pulled_model_is_validated(candidate, command, tmp_path):
    folder = candidate("softmax-digits")
    assert not (folder / CARD).exists()
    place = f"file://{tmp_path}/hub"
    publish(folder, Hub(place))
    options = {"ZOO_HUB": place, "ZOO_CACHE": tmp_path / "cache", "ZOO_TRUST_UNSIGNED": "1"}
    assert command("zoo", "pull", "softmax-digits", **options).returncode == 0
    done = command("zoo", "validate", "softmax-digits", **options)
    assert done.returncode == 0, done.stderr
    assert command("zoo", "validate", "--all", **options).returncode == 0
