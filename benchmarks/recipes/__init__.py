"""Recipes: runs that repeat published measurements, one TOML file each, and what is needed to carry them out.

NAME.toml --recipe_file--> Recipe --needs--------> what is here, what is missing, how to get it
                                  --comparison---> published, here, difference, interval
"""
