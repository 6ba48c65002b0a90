"""What can be asked of the workflow, also while a run goes on; only `partial` writes a file."""

QUESTIONS = ("doctor", "plan", "status", "partial", "verify")


def only_asked():
    """Whether the run is for answers alone."""
    targets = set(workflow.dag_settings.targets)
    return bool(targets) and targets <= set(QUESTIONS)


def beside_a_run(wildcards):
    """No file; but a question keeps its hands off the lock, as a run may be going on: Snakemake
    deletes the locks of all when it has finished a job that needs and makes no file.
    """
    if only_asked():
        workflow.persistence.lock = workflow.persistence.noop
    return []


def dry_command():
    """Snakemake with the options that decide what would run."""
    triggers = map(str, workflow.dag_settings.rerun_triggers)
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    command += [
        "--snakefile",
        str(workflow.main_snakefile),
        "--workflow-profile",
        "none",
    ]
    return [*command, "--rerun-incomplete", "--rerun-triggers", *sorted(triggers)]


rule doctor:
    input:
        beside_a_run,
    log:
        "<logs>/doctor.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        datasets=plain(RUN.datasets),
        sources=plain(RUN.sources),
    script:
        "../scripts/doctor.py"


rule status:
    input:
        beside_a_run,
    log:
        "<logs>/status.log",
    localrule: True
    conda:
        "../../envs/tables.yaml"
    params:
        stages=FLOW.stages,
        expected=FLOW.expected_of_fragments,
    script:
        "../scripts/status.py"


rule plan:
    input:
        beside_a_run,
    log:
        "<logs>/plan.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        command=lambda wildcards: dry_command(),
        overrides=workflow.config_settings.overwrite_config,
        results=str(FLOW.results),
        logs=str(FLOW.logs),
        datasets=plain(RUN.datasets),
        sources=plain(RUN.sources),
        stages=FLOW.stages,
        expected=FLOW.expected_of_fragments,
        cores=lambda wildcards: workflow.resource_settings.cores or 1,
    script:
        "../scripts/plan.py"


rule partial:
    input:
        beside_a_run,
    log:
        "<logs>/partial.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        results=str(FLOW.results),
        experiments=FLOW.experiments,
        stages=FLOW.stages,
        licences=FLOW.licences,
        expected=FLOW.expected_of_fragments,
    script:
        "../scripts/partial.py"


rule verify:
    input:
        beside_a_run,
    log:
        "<logs>/verify.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    params:
        processes=lambda wildcards: workflow.resource_settings.cores or 1,
        fragments=str(FLOW.results / "metrics"),
        experiments=FLOW.experiments,
        expected=FLOW.expected_of_fragments,
    script:
        "../scripts/verify.py"
