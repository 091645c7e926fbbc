"""Have the modules of the job's own wheels before those of AWS Glue."""

import sys
from pathlib import Path
from types import ModuleType
from typing import MutableMapping, Optional


def prefer_own_wheels(
    directory: Optional[Path] = None, modules: MutableMapping[str, ModuleType] = sys.modules
) -> None:
    """Import from the directory that a job's wheels are installed in, whatever is found or loaded now.

    Glue looks into it after its own directories, which have older releases of some modules, and has imported
    some of these (its SDK) by the time that it starts the script in the same process.

    Parameters
    ----------
    directory : Path, optional
        Where the wheels are; where this library is unless given.
    modules : mapping
        Those that are loaded.
    """
    own = directory or Path(__file__).resolve().parent.parent
    sys.path.insert(0, str(own))
    replaced = {path.name.partition(".")[0] for path in own.glob("*")} if own.is_dir() else set()
    for name, module in list(modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in replaced and file and own not in Path(file).resolve().parents:
            del modules[name]
