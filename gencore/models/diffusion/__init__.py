"""Diffusion mathematics beside the network, in the manner of EDM (Karras et al. 2022): small objects, pure
functions.

`schedules`, `objective`, `preconditioning`, `guidance`, `samplers` (functions), `solvers` (a sampler with its
settings); `gencore.models.ddpm` joins them. Imports `models.base`, `data.batches` and `config`.

The one idea: x_t = alpha_t x_0 + sigma_t eps, so a network that knows one of eps, x_0 or v knows all three.
As in Salimans & Ho (2022) and Lu et al. (2022b), alpha_t is sqrt(alpha_bar_t) and sigma_t is sqrt(1 -
alpha_bar_t); Ho et al.'s (2020) alpha_t is 1 - beta_t here. Timesteps are integers 0..T-1, 0 the least noisy;
flows run over real t in [0, 1], 1 the noise."""
