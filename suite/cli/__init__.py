"""The commands, by subject. Each imports what it needs when it runs: loading torch takes longer than some of them."""
