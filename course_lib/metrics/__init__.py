"""How good is it? Measures of pictures, models and cost."""
