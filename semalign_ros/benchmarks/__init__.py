"""How long things take, against a peer and a floor in the same run."""
