"""Small programs that promise tests run in processes of their own."""
