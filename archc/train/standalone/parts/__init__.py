"""What stand-alone training scripts are put together from: `archc build --with-train`.

A script holds the functions of these files that its recipe needs, as they stand here, and above
them the constants, with the recipe's values in place of those that the files start with. So this
is code for the readers of scripts. The order of the files is that of a script.
"""

FILES = ("seeds", "data", "augment", "blend", "points", "schedules", "weights", "losses", "metrics")
