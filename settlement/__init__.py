"""The pure core: decides what a message means for the money. No I/O, no clock, standard library only."""
