"""A module of ours that stands for one of multiprocessing's has all its names, and then its own."""


def once_more(module, name):
    """The module executed again, as one of another name, which stays as it is when install() changes the first."""
    from types import ModuleType
    copy = ModuleType(name, module.__doc__)
    copy.__package__, copy.__file__ = module.__package__, getattr(module, "__file__", None)
    exec(module.__spec__.loader.get_code(module.__name__), vars(copy))  # wherever it is kept: a frozen program's has no file
    return copy


def mirror(module, into):
    """Every name of the module, for globals()."""
    names = list(module.__all__)
    into.update((name, value) for name, value in vars(module).items() if not name.startswith("__"))
    return names
