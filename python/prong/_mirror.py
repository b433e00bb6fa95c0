"""A module of ours that stands for one of multiprocessing's has all its names, and then its own."""


def once_more(module, name):
    """The module executed again, as one of another name, which stays as it is when install() changes the first."""
    import importlib.util
    spec = importlib.util.spec_from_file_location(name, module.__file__)
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


def mirror(module, into):
    """Every name of the module, for globals()."""
    names = list(module.__all__)
    into.update((name, value) for name, value in vars(module).items() if not name.startswith("__"))
    return names
