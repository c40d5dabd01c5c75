"""Runs quantizers on datasets under one protocol and one capacity, and measures what comes out.

python -m bench run --quantizers all --datasets lorenz,aist
"""

from bench._checkout import claim

claim()
