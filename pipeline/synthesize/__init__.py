"""A small surveillance set made from nothing, to try the whole system on."""
