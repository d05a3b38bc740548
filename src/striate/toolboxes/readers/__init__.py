"""One file a toolbox: all that is known about its files, ending in TOOLBOX."""
