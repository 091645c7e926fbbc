"""Services whose resources are kept and without effect: what moto knows of them, nothing that acts."""
