"""The model: parameters, the pass that training makes, and the losses."""
