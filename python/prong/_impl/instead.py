"""What prong is in a subinterpreter, which its core does not serve: multiprocessing. So a .pth file's `import prong; prong.install()`,
which is run in subinterpreters as well, does nothing there."""


def install() -> None:
    """Nothing: multiprocessing stays as it is here."""


uninstall = install


def find(name: str) -> object:
    """Multiprocessing's attribute of that name. AttributeError for what it has not."""
    import multiprocessing
    try:
        return getattr(multiprocessing, name)
    except AttributeError:
        raise AttributeError(f"module 'prong' has no attribute {name!r} in a subinterpreter: its core does not serve those") from None
