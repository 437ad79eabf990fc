"""A model's latent space: interpolation, principal directions, traversal. Imports `sampling` and below."""
