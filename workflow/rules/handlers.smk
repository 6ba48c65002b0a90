"""What happens before the first job, and after the last one."""


def check_cluster():
    """Stop before any job where a run on this cluster would wait for ever, or spoil its files."""
    try:
        check_slurm(Path.cwd(), submits=workflow.executor_plugin.name == "slurm")
    except UserError as error:
        sys.exit(str(error))


def report_success():
    """Remove the partial table once the whole one exists."""
    if not asked_for_experiments():
        return
    if (RESULTS / "target_representations.csv").is_file():
        (RESULTS / "target_representations.partial.csv").unlink(missing_ok=True)


def repeat_warnings():
    """Say at the end what jobs have warned of in their logs."""
    for warning in jobs.warnings(LOGS, STARTED):
        print(f"warning: {warning}", file=sys.stderr)


def report_failure():
    """Write the table of what is finished, and say in plain words what failed and why."""
    if set(QUESTIONS) & set(workflow.dag_settings.targets):
        return
    lines = ["The sweep is not finished; what was trained is kept."]
    if asked_for_experiments():
        lines = table_of_finished()
    if failed := jobs.failures(LOGS, STARTED):
        lines += [
            "",
            "What failed, and why (the rest of each log is in the file of that name):",
        ]
        lines += [f"  {LOGS}/{failure}" for failure in failed]
    lines += ["", "Start the same command again to run only what is missing."]
    print("\n".join(lines), file=sys.stderr)


def table_of_finished():
    """Write the partial table; return lines that say what is in it."""
    table = RESULTS / "target_representations.partial.csv"
    finished = tables.write_partial_table(
        table, RESULTS / "metrics", EXPERIMENTS, expected_of_fragments()
    )
    whole = RESULTS / "target_representations.csv"
    if whole.is_file() and whole.read_bytes() == table.read_bytes():
        table.unlink()
        table = whole
    lines = [
        f"{finished} of {len(EXPERIMENTS)} experiments are finished; they are in {table}."
    ]
    if table != whole and whole.is_file():
        lines += [f"{whole} is of an earlier run."]
    return lines


onstart:
    check_cluster()


onsuccess:
    report_success()
    repeat_warnings()


onerror:
    report_failure()
