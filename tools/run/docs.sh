# The documentation, as a site and as manual pages.

cmd_docs() {
    need_python
    install $(missing_packages python3-sphinx python3-myst-parser furo)
    build_python >/dev/null
    PYTHONPATH="$PWD/build-python/python" tools/docs/build build-docs "$(system_python)"
}
