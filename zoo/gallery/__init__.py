"""A static site of all models of a hub: plain HTML, one style sheet, one script, no build step, nothing from elsewhere.

The pages are the models' cards (`card.md`), so the site shows what hubs deliver. Without the script everything is there
but the search.
"""

from zoo.gallery.site import write_gallery

__all__ = ["write_gallery"]
