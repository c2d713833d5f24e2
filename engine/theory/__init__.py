"""The theory: closed forms, lemmas and bounds as pure functions of numbers and numpy arrays.

One subject a file; each docstring gives the formula, its equation in the paper (Balboni & Bacciu, BMVC
2022), where the paper slips and what is done instead. Only numpy is imported: the viewer uses these files
too. NaN means "not defined" throughout.
"""
