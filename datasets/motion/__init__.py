"""Human motion: poses of 17 joints, real and generated."""
