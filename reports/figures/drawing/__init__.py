"""Drawing of figures: canvas, lattice, colours and SVG."""
