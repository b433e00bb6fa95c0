"""A module of ours that stands for one of multiprocessing's has all its names, and then its own."""


def mirror(module, into):
    """Every name of the module, for globals()."""
    into.update((name, value) for name, value in vars(module).items() if not name.startswith("__"))
    return list(module.__all__)
