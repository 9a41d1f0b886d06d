"""What the code promises about itself, each rule a function over source text."""
