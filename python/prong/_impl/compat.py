"""Names of the standard library that are not public, and that prong needs all the same: all of them, by module. A module of prong's that
uses some has them checked as it is imported, so that a Python without one is refused by name, and not in the middle of a call."""

import sys

NEEDED = {
    "atexit": ("_clear", "_run_exitfuncs"),
    "concurrent.futures.process": ("_ExecutorManagerThread.flag_executor_shutting_down",
                                   "_ExecutorManagerThread.add_call_item_to_queue"),
    "importlib._bootstrap": ("_init_module_attrs",),
    "multiprocessing.connection": ("_validate_family", "address_type", "Listener", "answer_challenge", "deliver_challenge"),
    "multiprocessing.context": ("_concrete_contexts", "_force_start_method", "DefaultContext"),
    "multiprocessing.managers": ("BaseManager._run_server", "BaseManager._Server", "SyncManager._registry", "Server", "State",
                                 "SharedMemoryServer", "SharedMemoryManager._Server", "MakeProxyType", "dispatch", "listener_client"),
    "multiprocessing.pool": ("ExceptionWithTraceback", "MaybeEncodingError", "RemoteTraceback", "Pool._help_stuff_finish"),
    "multiprocessing.process": ("BaseProcess._bootstrap", "BaseProcess._check_closed", "_ParentProcess", "_children", "_cleanup",
                                "_current_process", "_parent_process", "_process_counter"),
    "multiprocessing.reduction": ("ForkingPickler._extra_reducers",),
    "multiprocessing.resource_tracker": ("_resource_tracker._fd",),
    "multiprocessing.shared_memory": ("_make_filename", "SharedMemory._flags", "SharedMemory._mode",
                                      "SharedMemory._prepend_leading_slash"),
    "multiprocessing.sharedctypes": ("rebuild_ctype", "typecode_to_type"),
    "multiprocessing.spawn": ("_fixup_main_from_name", "_fixup_main_from_path", "get_executable", "get_preparation_data"),
    "multiprocessing.util": ("_afterfork_registry", "_args_from_interpreter_flags", "_exit_function", "_finalizer_registry",
                             "_logger", "_run_after_forkers"),
    "os": ("environ._data",),
    "threading": ("Thread._set_native_id", "_active", "_after_fork", "_dangling", "_limbo", "_main_thread", "_register_atexit",
                  "_shutdown", "_threading_atexits"),  # some for fork.c
}
_checked = set()


def needs(*modules):
    """Returns the modules, or the one, when they have all that prong needs of them. ImportError, which names it, when one has not."""
    for module in modules:
        if module.__name__ not in _checked:
            _check(module)
            _checked.add(module.__name__)
    return modules[0] if len(modules) == 1 else modules


def _check(module):
    for path in NEEDED[module.__name__]:
        found = module
        for name in path.split("."):
            try:
                found = getattr(found, name)
            except AttributeError:
                raise ImportError(f"prong needs {module.__name__}.{path} of the standard library, which Python "
                                  f"{sys.version.split()[0]} does not have", name=module.__name__) from None


def in_subinterpreter():
    """Whether this is another interpreter than the main one."""
    try:
        import _interpreters as interpreters  # 3.13 and later
    except ImportError:
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:  # built without
            return False
    return interpreters.get_current() != interpreters.get_main()
