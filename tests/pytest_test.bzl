"""A py_test of a file of pytest functions."""

load("@rules_python//python:defs.bzl", "py_test")

def pytest_test(name, srcs, deps = [], data = [], **kwargs):
    """Runs pytest on one file, with the options and markers of pyproject.toml.

    Args:
      name: Name of the target, which is the file's without .py.
      srcs: The one test file.
      deps: What the test imports.
      data: What the test reads.
      **kwargs: Other arguments of py_test, such as size.
    """
    py_test(
        name = name,
        srcs = srcs + ["//tests:run_pytest.py"],
        main = "//tests:run_pytest.py",
        args = [native.package_name() + "/" + srcs[0]],
        data = data + ["//:pyproject.toml"],
        legacy_create_init = 0,
        deps = deps + ["//tests:run_pytest"],
        **kwargs
    )
