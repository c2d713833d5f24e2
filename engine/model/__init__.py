"""Models: the interface that measurements read, the fully connected network, losses and activations on tensors."""
