"""The page for people, and its pictures for Snakemake's own report."""


rule report:
    input:
        fragments(),
        "<results>/validation.json",
        "<results>/recommendation_evaluation.json",
    output:
        page="<results>/report.html",
        figures=report(
            directory("<results>/figures"),
            patterns=["{figure}.svg"],
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        "<logs>/report/report.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        stages={experiment: stages_of(*experiment) for experiment in EXPERIMENTS},
        expected=expected_of_fragments(),
        licences=licences(),
        code=fingerprint("report"),
    script:
        "../scripts/report.py"
