"""The console: the platform, its data and every run, in a browser.

:mod:`millpond.console.reads` asks AWS's API and makes plain dataclasses of the answers; it knows nothing of
pages. :mod:`millpond.console.pages` shows them with NiceGUI, which is in an environment of its own
(``requirements/console.txt``), made when the console is first opened. :mod:`millpond.console.guard` lets in
who has the token.
"""
