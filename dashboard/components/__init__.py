"""Parts that run in the browser: canvas, drawing board, frame slider, latent sliders."""
