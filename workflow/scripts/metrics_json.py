"""Measure one trained head and write the fragment and the predictions of its experiment."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.core.arrays import write_arrays
    from metaprobe.core.files import write_json
    from metaprobe.core.provenance import git_commit
    from metaprobe.training.measurement import build_fragment

    fragment, predictions = build_fragment(
        task_id=snakemake.wildcards.dataset,
        configuration=snakemake.wildcards.configuration,
        hyperparameters=snakemake.params.hyperparameters,
        family=snakemake.params.family,
        subset_path=snakemake.input.subset,
        head_path=snakemake.input.head,
        git_commit=git_commit(Path(snakemake.scriptdir)),
        validation_path=(snakemake.input.get("validation") or [None])[0],
    )
    ids = {key: fragment[key] for key in ("task_id", "configuration")}
    write_arrays(snakemake.output.predictions, predictions, ids)
    write_json(snakemake.output.fragment, fragment)
    print(f"test accuracy {fragment['test_accuracy']:.4f}, loss {fragment['test_loss']:.4f}")
