"""What the tests of every address for every role are made of."""
