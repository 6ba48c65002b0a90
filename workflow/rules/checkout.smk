"""Where the workflow's own files lie, also when another Snakefile uses it as a module."""

import io
import os
import sys
import tarfile
import tempfile
from pathlib import Path


def checkout_of(rules):
    """The folder of the workflow; where it is on a host, what Snakemake has cloned, unpacked once."""
    if rules.is_local:
        return Path(rules.get_path_or_uri(secret_free=True)).parent.parent
    repository = rules.hosted_repo.repo
    folder = Path(workflow.sourcecache.cache_path, "metaprobe")
    target = folder / repository.commit(rules.ref).hexsha
    if not target.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        unpacked = tempfile.mkdtemp(dir=folder)
        packed = io.BytesIO()
        repository.archive(packed, rules.ref)
        packed.seek(0)
        with tarfile.open(fileobj=packed) as archive:
            archive.extractall(unpacked, filter="data")
        os.replace(unpacked, target)
    return target


CHECKOUT = checkout_of(workflow.current_basedir)

# The package of this checkout, also for the jobs' scripts, whatever the environment has.
PACKAGE = f"{CHECKOUT}/workflow"
sys.path.insert(0, PACKAGE)
OTHERS = filter(None, [os.environ.get("PYTHONPATH")])
os.environ.update(PYTHONPATH=os.pathsep.join(dict.fromkeys([PACKAGE, *OTHERS])))
