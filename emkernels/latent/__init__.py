"""What is hidden: which component a row is from, alone or with its neighbours."""
