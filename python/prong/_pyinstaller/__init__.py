"""Tells PyInstaller what a program that imports prong needs of it: see hook-prong.py."""

import os


def get_hook_dirs():
    return [os.path.dirname(__file__)]
