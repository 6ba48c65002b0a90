"""Every command of the documentation is one that the programs understand, and a test runs it.

A new command wants an entry in `RUN_BY`: the test that runs it, or what it needs that a test machine lacks. So does
one that is named in a sentence, unless it is the beginning of one that has an entry.
"""

import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from checkouts import ROOT, write_pictures
from documented import PAGES, in_blocks, in_sentences, unmarked, words_of
from metaprobe.__main__ import parse
from metaprobe.operations.flow.workflow import read_workflow
from metaprobe.operations.snakemake_coupling import merged_configuration
from metaprobe.publish.commandline import FORMS
from snakemake.cli import get_argument_parser

CI = ".ci/run"
FLOW = "tests/test_workflow.py::test_"
CLUSTER = "tests/test_slurm.py::test_"
SLURM = CLUSTER + "numbers_are_those_of_a_local_run_and_heads_are_not_queued"
ADVISE = "tests/test_advise.py::test_advice_keeps_its_time_and_goes_on"
FIT = "tests/test_fit.py::test_model_is_made_once_and_enters_no_table"
ADVISED = "tests/test_fit.py::test_advice_goes_before_a_recommendation"
RANK = "tests/test_workflow.py::test_recommendation_for_a_new_folder_leaves_the_table_alone"
OWN_DATA = "tests/test_extend.py::test_four_lines_declare_a_data_set"
VERIFY = "tests/test_verify.py::test_verify_through_the_workflow"
MERGED = "tests/test_exchange_workflow.py::test_halves_are_the_whole_and_nothing_runs"
BUNDLE = "tests/test_exchange_workflow.py::test_a_bundle_is_checked_by_computing_it_again"
PUBLISHED = "tests/test_publish.py::test_commands_of_the_page_run"
PACKAGES = "needs a package index"
ON_PURPOSE = "needs what `make test` leaves out on purpose: "
MEASURES = ON_PURPOSE + "it measures this machine for"
CARD = "tests/test_fit.py::test_model_of_the_table_is_made_by_the_name_of_its_card"
COMPARED = "tests/test_compare.py::test_command_compares_two_folders"
RUN_BY = {
    # to install and to try
    "make setup": CI,  # as a part of `make demo`
    "make demo": CI,
    "make development": CI,  # as a part of `make check`
    "make check": CI,
    "make test": CI,
    "make test-slow": CI,
    "source .venv/bin/activate": "needs a shell that somebody types in",
    "snakemake --cores 2 --configfile config/demo.yaml": CI,  # as a part of `make demo`
    'pip install --editable ".[export]"': PACKAGES,
    'pip install --editable ".[workflow]"': PACKAGES,
    'pip install --editable ".[timm]"': PACKAGES,
    'pip install ".[space]"': "tests/test_reading_page.py::test_reader_alone_in_a_fresh_environment",
    "pip install .": "tests/test_reading_page.py::test_reader_alone_in_a_fresh_environment",
    "pip install onnxruntime numpy pillow": PACKAGES,
    "pip install snakemake-executor-plugin-cluster-generic": PACKAGES,
    "pip install snakemake-executor-plugin-kubernetes snakemake-storage-plugin-s3": PACKAGES,
    "pip install POT tqdm 'scikit-learn<1.10' 'git+https://github.com/luxusg1/metabu.git'": PACKAGES,
    "pip install datasets": PACKAGES,
    "pip install openml==0.15.1": PACKAGES,
    "pip install openvino": PACKAGES,
    "pip install pillow-heif": PACKAGES,
    "pip install snakemake-logger-plugin-rich": PACKAGES,
    "python3 -m venv .venv": CI,  # as a part of `make setup`
    # to develop
    "make test-long": "needs a Slurm of its own, and hours",
    "make bench": f"{MEASURES} minutes",
    "make timings": f"{MEASURES} minutes, by running the demo twice",
    "python -m benchmarks.arena FOLDER": "needs packages that come with pictures and weights, and hours",
    "python -m benchmarks.coverage": ON_PURPOSE + "minutes; tests/test_families.py runs its parts on fewer tables",
    "python -m benchmarks.derived_costs": f"{MEASURES} half an hour",
    "python -m benchmarks.every_backbone": f"{MEASURES} twenty minutes",
    "python -m benchmarks.exports": f"{MEASURES} ten minutes",
    "python -m benchmarks.reader": f"{MEASURES} minutes; tests/planted_results.py writes by its parts",
    "python -m benchmarks.recipes FOLDER": "needs packages that come with weights, and hours",
    "python -m benchmarks.transferability": f"{MEASURES} minutes",
    "python -m tools.pages": "tests/test_pages.py::test_command_writes_the_tables_and_nothing_else",
    "python -m tools.picture results/demo/report.html":
     "tests/test_picture.py::test_first_screen_is_photographed",
    "python benchmarks/draw_configurations.py > config/configurations-48.yaml":
     "tests/test_configurations_48.py::test_documented_command_writes_the_file",
    "python benchmarks/draw_derived.py": "tests/test_derived.py::test_documented_command_writes_the_file",
    # questions
    "metaprobe --help": "tests/test_cli.py::test_help_names_every_question",
    "metaprobe doctor --configfile theirs.yaml":
     "tests/test_wrong_configurations.py::test_the_command_tells_what_snakemake_stumbles_over",
    "metaprobe doctor --deep": "tests/test_deep.py::test_command_opens_what_is_there",
    "metaprobe status --checkout /home/me/metaprobe --configfile config/config.yaml":
     "tests/test_cli.py::test_checkout_of_the_current_folder_is_the_one_that_answers",
    "snakemake status --cores 1": "tests/test_cli.py::test_answers_are_the_same_through_snakemake",
    "metaprobe doctor": "tests/test_doctor.py::test_command_prints_thirty_rows_and_changes_nothing",
    "metaprobe plan": FLOW + "plan_of_a_fresh_checkout_invents_no_time_and_starts_nothing",
    "metaprobe status": "tests/test_cli.py::test_answers_are_the_same_through_snakemake",
    "metaprobe partial": FLOW + "partial_is_the_table_of_what_exists_now",
    "metaprobe verify": VERIFY,
    "metaprobe verify --cores 2": VERIFY,
    "metaprobe verify --digests": VERIFY,
    "metaprobe plan --configfile config/backbones-24.yaml":
     "tests/test_plan.py::test_many_backbones_are_priced_one_by_one",
    # pictures of one's own
    "metaprobe advise /home/me/birds --budget 10min": ADVISE,
    "metaprobe advise ~/pictures/birds --budget 10min": ADVISE,
    "metaprobe fit /home/me/birds --advised": ADVISED,
    "metaprobe fit ~/pictures/birds --advised": ADVISED,
    "metaprobe fit ~/pictures/birds --configuration resnet18-plain": FIT,
    'metaprobe fit "results/demo/new/Two photographs" --configuration resnet18-plain'
    " --configfile config/demo.yaml": FIT,
    "metaprobe recommend /home/me/birds": FLOW + "recommendation_is_all_that_is_printed",
    "snakemake recommend --cores 2 --config new_dataset=/home/me/birds": RANK,
    'snakemake recommend --cores 2 --config new_dataset="/home/me/my birds" recommender=logme': RANK,
    "snakemake advise --cores 2 --config new_dataset=/home/me/birds budget=10min":
     "tests/test_advise.py::test_snakemake_asks_the_same",
    "snakemake fit --cores 2 --config new_dataset=/home/me/birds only_configurations=[resnet18-plain]": CARD,
    "snakemake --cores 2 results/models/EuroSAT/resnet18-plain/card.json": CARD,
    "python birds/predict.py picture.jpg more/pictures/":
     "tests/test_export.py::test_without_torch_it_predicts_the_same",
    "python birds/predict.py more/pictures/ --csv > predicted.csv":
     "tests/test_export.py::test_predictions_are_printed_and_broken_pictures_named",
    # runs
    "snakemake -n --quiet rules": FLOW + "shipped_configuration_plans_the_documented_jobs",
    "snakemake --cores 4": "tests/test_thirty.py::test_thirty_rows_from_thirty_true_formats",
    "snakemake --cores 4 --config 'only_datasets=[MNIST,USPS]'":
     "needs the internet; the same of other data sets: make demo",
    "snakemake --cores 4 --configfile config/configurations-48.yaml": FLOW + "48_configurations_read_no_image_again",
    "snakemake --cores 4 --configfile config/backbones-24.yaml": "needs the internet and hours",
    "snakemake --cores 4 --configfile config/backbones-24.yaml --config"
    " 'only_configurations=[vitsmall16-plain]'": "needs the internet",
    "snakemake --cores 4 --configfile config/datasets-extended.yaml":
     "needs the internet; tests/test_extended.py plans it",
    "snakemake --cores 4 --configfile config/derived-300.yaml":
     "needs the internet; tests/test_derived.py plans it, and runs derived tasks of other data sets",
    "snakemake --cores 4 --configfile config/recipes.yaml":
     "needs the internet; tests/test_recipes_workflow.py runs recipes on other data sets",
    "snakemake bootstrap --cores 4": FLOW + "bootstrap_reads_no_picture_and_runs_no_backbone",
    "snakemake --report report.zip": FLOW + "snakemakes_report_has_the_figures",
    "snakemake --unlock": FLOW + "questions_leave_the_lock_of_a_run_alone",
    "snakemake --cores 4 --configfile mine.yaml": OWN_DATA,
    "snakemake --cores 4 --configfile mine.yaml --config"
    " 'only_configurations=[resnet18-long,resnet18-stopped]'":
     "tests/test_scope.py::test_validation_images_choose_where_all_configurations_have_them",
    "snakemake --cores 4 --configfile mine.yaml --config 'only_datasets=[MyBirds]'": OWN_DATA,
    "snakemake --cores 4 --config replicates=5": FLOW + "more_replicates_run_no_backbone",
    "snakemake --cores 4 --config seed=1 'pathvars={results: results-of-seed-1,"
    " logs: results-of-seed-1/logs}'": "tests/test_scope.py::test_another_seed_is_a_run_beside_the_first",
    "snakemake arena --cores 4": "tests/test_arena_workflow.py::test_arena_has_every_ranker_and_is_documented",
    "snakemake sweep --cores 4 --configfile mine.yaml":
     "tests/test_sweep_workflow.py::test_sweep_agrees_with_the_table",
    "for part in 1 2 3 4 5 6 7 8 9 10; do snakemake --cores 4 --configfile mine.yaml"
    " --batch aggregate=$part/10 -- results/target_representations.csv; done":
     "tests/test_size.py::test_table_can_be_planned_in_parts",
    "rsync -a results/ elsewhere:metaprobe/results/": FLOW + "copied_results_rerun_nothing",
    # results that travel
    "metaprobe merge ~/laptop/results ~/server/results --to results": MERGED,
    "metaprobe merge ~/laptop/results ~/server/results --to results --prefer ~/server/results":
     "tests/test_merge.py::test_the_preferred_folder_is_kept",
    "snakemake -n": MERGED,
    "metaprobe contribute results --to bundle.zip": BUNDLE,
    "metaprobe check-bundle bundle.zip --recompute 3": BUNDLE,
    "metaprobe compare results ~/old/results --page compare.html": COMPARED,
    "metaprobe compare results results-of-seed-1": COMPARED,
    "metaprobe publish results/demo --to release": PUBLISHED,
    "metaprobe publish results/demo --to release --configfile config/demo.yaml": PUBLISHED,
    'metaprobe publish results/demo --to release --version 1.1.0 --author "Ada Lovelace" --doi 10.5281/zenodo.1':
     PUBLISHED,
    **{f"metaprobe publish results/demo --to {form} --as {form}": PUBLISHED for form in FORMS},
    # clusters, cards and containers
    "snakemake --profile slurm": SLURM,
    "metaprobe doctor --profile slurm": CLUSTER + "limits_are_told_and_a_full_queue_means_later",
    'sbatch --cpus-per-task 2 --mem 4G --time 2-0 --wrap ".venv/bin/snakemake --profile slurm"':
     CLUSTER + "a_run_may_be_a_job_itself",
    "snakemake --profile slurm --until extract_features extract_part tune_blocks":
     CLUSTER + "a_run_may_be_a_job_itself",
    "sbatch --cpus-per-task 8 --mem 16G --time 60 --wrap"
    ' ".venv/bin/snakemake --cores 8 --resources mem_mb=16000"': CLUSTER + "a_run_may_be_a_job_itself",
    "snakemake --executor cluster-generic --jobs 100 --latency-wait 60 --retries 1"
    ' --cluster-generic-submit-cmd "qsub -l walltime=00:{resources.runtime}:00'
    ' -l mem={resources.mem_mb}mb"': "needs PBS and a plugin",
    "snakemake --executor kubernetes --jobs 100 --default-storage-provider s3"
    " --default-storage-prefix s3://my-bucket/metaprobe --container-image my-image"
    " --kubernetes-persistent-volumes my-claim:/mnt/data --config data=/mnt/data": "needs Kubernetes and a plugin",
    "snakemake --cores 8 --config device=cuda --resources gpu=1"
    " --set-resources extract_features:gpu=1 --set-threads extract_features=8": "needs a GPU",
    "docker build --file containers/Dockerfile --tag metaprobe .": "needs Docker",
    'docker run --rm --user "$(id -u):$(id -g)" --env HOME=/tmp --volume "$PWD:$PWD"'
    ' --workdir "$PWD" metaprobe snakemake --cores 4': "needs Docker",
    "apptainer build metaprobe.sif containers/metaprobe.def": "needs Apptainer",
    "apptainer exec metaprobe.sif snakemake --cores 4": "needs Apptainer",
}  # fmt: skip
TYPED = sorted({command for page in PAGES for command in in_blocks(page)})
NAMED = sorted({command for page in PAGES for command in in_sentences(page)} - {*TYPED})
RULES = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
TARGETS = {*re.findall(r"^rule (\w+):", RULES, re.MULTILINE), "all"}
QUESTIONS = {"status", "plan", "doctor", "verify", "partial", "advise"}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_every_command_is_run_or_says_what_it_needs() -> None:
    """A command that nobody has tried since the program has changed; an entry of one that is gone."""
    missing = [command for command in TYPED if command not in RUN_BY]
    missing += [command for command in NAMED if not begins(command, RUN_BY)]
    assert not missing, "write into RUN_BY what runs: " + "; ".join(missing)
    assert not RUN_BY.keys() - {*TYPED, *NAMED}


def begins(command: str, of: Iterable[str]) -> bool:
    """Whether it is one of these commands, or tells less than one of them."""
    return any(f"{one} ".startswith(f"{command.removesuffix('--cores N').rstrip()} ") for one in of)


def test_less_than_a_command_is_its_first_words() -> None:
    """`snakemake --cores 4` that runs what begins with it, or `metaprobe fit` as a part of `metaprobe fits`."""
    for command in ("metaprobe fit", "metaprobe fit birds", "metaprobe fit --cores N"):
        assert begins(command, ["metaprobe fit birds"])
    for command in ("metaprobe fit birds --advised", "metaprobe fit bird", "metaprobe advise"):
        assert not begins(command, ["metaprobe fit birds"])


def test_what_runs_a_command_exists() -> None:
    """A test that was renamed, so that nothing runs the command any more."""
    ci = (ROOT / CI).read_text().splitlines()
    for command, by in RUN_BY.items():
        file, _, test = by.partition("::")
        if by.startswith("needs "):
            assert all((ROOT / named).is_file() for named in re.findall(r"tests/\w+\.py", by)), by
        elif test:
            assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE), by
        else:
            assert by == CI, (command, by)
            assert not command.startswith("make ") or command in ci or depended_on(command), command


def depended_on(command: str) -> bool:
    """Whether a target that CI makes begins with this one."""
    target = command.removeprefix("make ")
    return bool(re.search(rf"^(?:demo|check): {target}$", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_of_commands_are_marked(page: Path) -> None:
    """A command that this test does not see."""
    assert not unmarked(page)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the commands are given: files of one's own, and pictures."""
    made = tmp_path_factory.mktemp("commands")
    for name in ("birds", "my birds"):
        write_pictures(made / name)
    for name in ("mine.yaml", "theirs.yaml"):
        text = "datasets: {MyBirds: {kind: folder, classes: 3}}\ngrid: {learning_rate: [0.1]}\n"
        own = "{architecture: ResNet18, learning_rate: 0.01, validation_images: 500}"
        text += f"configurations: {{resnet18-long: {own}, resnet18-stopped: {own}}}\n"
        (made / name).write_text(text)
    for name in ("config", "benchmarks", "tools", "profiles", "slurm"):
        (made / name).symlink_to(ROOT / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        yield made


@pytest.mark.parametrize("command", [*TYPED, *NAMED])
def test_command_is_understood(command: str, folder: Path) -> None:
    """An option, a setting, a target, a file or a module that does not exist, or no longer."""
    program, *words = words_of(command.replace("/home/me/", f"{folder}/").replace("--cores N", ""))
    check = {"snakemake": snakemake, "metaprobe": metaprobe, "make": make, "pip": pip}
    if program.startswith("python"):
        python(words)
    elif program in check:
        check[program](words)


def snakemake(words: list[str]) -> None:
    if {"cluster-generic", "kubernetes"} & {*words}:
        return  # options of plugins that are not installed
    options = get_argument_parser().parse_args(words)
    for target in options.targets:
        assert target in TARGETS | QUESTIONS or target.startswith("results/"), target
    named = shlex.join([*(options.until or ()), *(options.set_threads or ())])
    assert {*re.findall(r"\w+", named)} <= TARGETS
    for profile in options.profile or ():
        assert Path(profile, "profile.yaml").is_file()
    configured(tuple(map(str, options.configfile or ())), tuple(options.config or ()))


def metaprobe(words: list[str]) -> None:
    try:
        options = parse(words if len(words) > 1 else [words[0].rstrip(","), "--help"])
    except SystemExit as end:
        assert end.code == 0, words
    else:
        files, overrides = (getattr(options, name, ()) for name in ("configfile", "config"))
        configured(tuple(map(str, files)), tuple(overrides))


@cache
def configured(files: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """See that the workflow accepts these settings."""
    merged = merged_configuration(ROOT, [Path(file) for file in files], overrides)
    read_workflow(merged[0], merged[1], "results", "results/logs")


def make(words: list[str]) -> None:
    for target in words:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def pip(words: list[str]) -> None:
    for extra in re.findall(r"\.\[(\w+)\]", " ".join(words)):
        assert extra in EXTRAS, extra


def python(words: list[str]) -> None:
    if words[0] == "-m":
        parts = words[1].split(".")
        assert parts == ["venv"] or Path(*parts).with_suffix(".py").is_file(), words
    elif not words[0].startswith("birds/"):
        assert Path(words[0]).is_file(), words
