"""What every local web page of the program shares."""
