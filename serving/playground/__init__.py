"""The page at `/`: try a model in the browser. Plain files, no build step, nothing from anywhere else.

`routes` serves the files of `static/`, `models` says what the page needs to know of each model.
"""

from serving.playground.models import examples_document, model_entry, models_document
from serving.playground.routes import playground_routes

__all__ = ["examples_document", "model_entry", "models_document", "playground_routes"]
