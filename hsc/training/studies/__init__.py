"""The paper's studies on a frozen StyleGAN2: what each part of the networks is worth, and the layer at which F is."""
