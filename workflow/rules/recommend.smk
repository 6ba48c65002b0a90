"""From both tables to Metabu's form, to a recommendation, and to whether it helps."""

from metaprobe.operations.flow.targets import recommendation_file

TABLES = {
    "experiments": "<results>/experiments.parquet",
    "basic": "<results>/basic_representations.parquet",
}
FOR_META_LEARNERS = [
    "<results>/metabu/target_representations.csv",
    "<results>/recommendation_evaluation.csv",
    "<results>/portfolio.csv",
]


rule export_metabu:
    input:
        **TABLES,
    output:
        target="<results>/metabu/target_representations.csv",
        basic="<results>/metabu/basic_representations.csv",
        scaler="<results>/metabu/scaler.json",
    log:
        "<logs>/export_metabu/metabu.log",
    benchmark:
        "<logs>/export_metabu/metabu.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        code=lambda wildcards: fingerprint("export_metabu"),
    script:
        "../scripts/export_metabu.py"


rule evaluate_recommenders:
    input:
        **TABLES,
        predictions="<results>/predictions.parquet",
    output:
        table="<results>/recommendation_evaluation.csv",
        details="<results>/recommendation_evaluation.json",
    log:
        "<logs>/evaluate_recommenders/recommendation_evaluation.log",
    benchmark:
        "<logs>/evaluate_recommenders/recommendation_evaluation.tsv"
    conda:
        "../../envs/tables.yaml"
    resources:
        mem=lambda wildcards, attempt: f"{2 * attempt}GB",
        runtime=lambda wildcards, attempt: f"{60 * attempt}m",
    params:
        method=RUN.settings.recommender,
        neighbours=RUN.settings.neighbours,
        seed=RUN.settings.seed,
        code=lambda wildcards: fingerprint("evaluate_recommenders"),
    script:
        "../scripts/evaluate_recommenders.py"


rule build_portfolio:
    input:
        **TABLES,
        predictions="<results>/predictions.parquet",
    output:
        table="<results>/portfolio.csv",
        details="<results>/portfolio.json",
    log:
        "<logs>/build_portfolio/portfolio.log",
    benchmark:
        "<logs>/build_portfolio/portfolio.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        seed=RUN.settings.seed,
        code=lambda wildcards: fingerprint("build_portfolio"),
    script:
        "../scripts/build_portfolio.py"


rule rank_configurations:
    input:
        **TABLES,
        description=layout.DESCRIPTION.format(dataset=FLOW.new),
    output:
        details=layout.RECOMMENDATION.format(dataset=FLOW.new),
        table=f"<results>/recommendations/{FLOW.new}.csv",
    log:
        f"<logs>/rank_configurations/{FLOW.new}.log",
    benchmark:
        f"<logs>/rank_configurations/{FLOW.new}.tsv"
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        task_id=FLOW.new,
        weights=RUN.settings.weights,
        method=RUN.settings.recommender,
        neighbours=RUN.settings.neighbours,
        code=lambda wildcards: fingerprint("rank_configurations"),
    script:
        "../scripts/rank_configurations.py"


rule recommend:
    input:
        lambda wildcards: recommendation_file(FLOW),
    log:
        "<logs>/recommend.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    script:
        "../scripts/recommend.py"
