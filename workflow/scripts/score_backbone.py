"""Score how transferable a backbone is to one data set, from its cached features."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.core.files import write_checked_json
    from metaprobe.recommend.arena.scores import score_on_files

    scores = score_on_files(
        snakemake.input.features, snakemake.input.classifier, seed=snakemake.params.seed
    )
    write_checked_json(snakemake.output[0], scores)
    print(scores["scores"], scores["cpu_seconds"], sep="\n")
