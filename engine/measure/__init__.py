"""Tensors to numbers: one file a measurement, read off the pass that training makes anyway."""
