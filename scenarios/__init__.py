"""The simulated world on virtual time: scenario files, the laws, and what runs them."""
