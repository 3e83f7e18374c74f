"""Build and check tools of this repository. Nothing in here goes into the plugin's image."""
