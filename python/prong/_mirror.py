"""A module of ours that stands for one of multiprocessing's has all its names, and then its own."""


def mirror(module, into):
    """Every name of the module, for globals()."""
    names = list(module.__all__)
    into.update((name, value) for name, value in vars(module).items() if not name.startswith("__"))
    return names
