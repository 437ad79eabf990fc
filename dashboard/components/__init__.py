"""Parts that run in the browser: canvas, frame slider, latent sliders."""
