"""The files that a command on a new data set asks for; or why it cannot."""

import sys

from metaprobe.config import layout
from metaprobe.operations.flow.workflow import Workflow


def recommendation_file(flow: Workflow) -> str:
    """Return the recommendation for the new data set; end the program if there can be none."""
    if flow.new is None:
        sys.exit("recommend for which? Add --config new_dataset=<folder of class folders>")
    folders = (flow.results / "metrics" / task_id for task_id in flow.run.datasets)
    if not any(next(folder.glob("*.json"), None) for folder in folders):
        sys.exit(
            "recommend: there is no finished experiment to learn from yet: start the run first"
            " (snakemake --cores 4)"
        )
    return layout.RECOMMENDATION.format(dataset=flow.new)


def model_files(flow: Workflow) -> list[str]:
    """Return the files of the new data set's model, the card last; end the program if it is not
    said which."""
    if flow.new is None or len(flow.run.configurations) != 1:
        sys.exit(
            "fit what? Add --config new_dataset=<folder of class folders>"
            " only_configurations=[<one>], or ask metaprobe fit"
        )
    (name,) = flow.run.configurations
    folder = layout.MODEL.format(dataset=flow.new, configuration=name)
    return [f"{folder}/{file}" for file in layout.MODEL_FILES]
