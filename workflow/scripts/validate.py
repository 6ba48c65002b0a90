"""Fail if the checks of the table found errors; write what they say in words if not."""

from metaprobe.core.jobs import logged

with logged(snakemake.log[0]):
    from metaprobe.core.files import read_checked_json, write_text
    from metaprobe.tables.validation import in_words

    report = read_checked_json(snakemake.input[0])
    words = in_words(report, most=10)
    write_text(snakemake.output[0], words)
    print(words)
