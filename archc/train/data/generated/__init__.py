"""Data that are made, not collected: any number of pictures whose answers are known exactly.

A picture is a function of a seed and its number, and nothing else. Only operations are used that
IEEE 754 rounds correctly (+, -, *, /, square root), so it is the same on every machine.
"""
