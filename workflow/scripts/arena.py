"""Write the page of the arena, and its pictures."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.core.files import read_checked_json
    from metaprobe.report.arena_page import write_arena

    judged = read_checked_json(snakemake.input.details)
    write_arena(judged, snakemake.output.page, snakemake.output.figures)
    print(*judged["sentences"], sep="\n")
