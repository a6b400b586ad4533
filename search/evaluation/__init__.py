"""How good the search is: measures over rankings, judged sets in BEIR form, and runs of a set's queries.

A run goes through search.services, so that what is measured is what readers get.
"""
