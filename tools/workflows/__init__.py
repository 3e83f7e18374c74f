"""Builds and checks the ready workflows of workflows/.

- ``description.py`` reads what a person writes, ``schemas.py`` what the plugins' steps take and give.
- ``expression.py`` and ``icon.py`` make the file that InsightConnect imports, ``bundle.py`` what lies beside it.
- ``structure.py`` checks such a file by itself, whoever made it; ``rules.py`` runs Rapid7's rules on the folders.
- ``facts.py`` takes other plugins' schemas over from a clone of Rapid7's repository.
"""
