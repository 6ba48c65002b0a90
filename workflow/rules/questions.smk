"""What can be asked of the workflow; the answers are printed, and nothing is changed."""


rule doctor:
    log:
        "<logs>/doctor.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        datasets=RUN.datasets,
        sources=RUN.sources,
    script:
        "../scripts/doctor.py"
