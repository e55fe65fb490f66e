"""Training of the small bundled models on any data in the Cityscapes layout."""
