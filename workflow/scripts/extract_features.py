"""Extract the features of one subset by one frozen backbone."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from metaprobe.config.datasets import parse_entry
    from metaprobe.core.files import write_arrays
    from metaprobe.features.extraction import extract_features
    from metaprobe.features.weights import weights_folder

    task_id = snakemake.wildcards.dataset
    arrays, facts = extract_features(
        task_id=task_id,
        entry=parse_entry(snakemake.config["datasets"][task_id]),
        data=Path(snakemake.config["data"]).expanduser(),
        subset_path=snakemake.input.subset,
        architecture=snakemake.wildcards.architecture,
        seed=snakemake.params.seed,
        weights_receipt=snakemake.input.get("weights") or None,
        weights_folder=weights_folder(snakemake.config)[0],
        device=snakemake.config["device"],
        engine=snakemake.params.engine,
        precision=snakemake.params.precision,
        threads=snakemake.threads,
    )
    write_arrays(snakemake.output[0], arrays, facts)
    print(facts)
