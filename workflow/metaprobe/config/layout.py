"""Where the files of a run lie: one pattern for each kind of file, as the rules write it."""

from pathlib import PurePosixPath

SOURCE = "<results>/sources/{source}.json"
HUB = "huggingface/"  # source of a data set of the Hugging Face Hub: this and its id
SUBSET = "<results>/subsets/{dataset}.json"
WEIGHTS = "<results>/weights/{architecture}.json"
FEATURES = "<results>/features/{dataset}/{architecture}.safetensors"
VALIDATION = "<results>/validation/{dataset}/{images}.json"
PART = "<results>/parts/{dataset}/{architecture}/{part}.safetensors"
ACTIVATIONS = "<results>/activations/{dataset}/{architecture}/{cut}/{part}.json"
HEAD = "<results>/heads/{dataset}/{configuration}.safetensors"
FRAGMENT = "<results>/metrics/{dataset}/{configuration}.json"
PREDICTIONS = "<results>/predictions/{dataset}/{configuration}.safetensors"
PICTURES = "<results>/pictures/{dataset}.safetensors"
DESCRIPTION = "<results>/descriptions/{dataset}.json"
RESAMPLES = "<results>/resamples/{dataset}.json"
SWEEP = "<results>/sweep/{dataset}/{architecture}.parquet"
CLASSIFIER = "<results>/classifiers/{architecture}.safetensors"
SCORES = "<results>/scores/{dataset}/{architecture}.json"
RECOMMENDATION = "<results>/recommendations/{dataset}.json"
ADVICE = "<results>/advice/{dataset}.json"
MODEL = "<results>/models/{dataset}/{configuration}"
# What a model is; the card is written last.
MODEL_FILES = (
    *("model.onnx", "model.safetensors", "network.py", "predict.py", "classes.json"),
    *("card.md", "card.json"),
)

# Rule -> what it writes, in the order of the work; the first of them lead to an experiment.
STAGES = {
    "download": SOURCE,
    "subset_index": SUBSET,
    "fetch_weights": WEIGHTS,
    "extract_features": FEATURES,
    "train_head": HEAD,
    "metrics_json": FRAGMENT,
    "measure_pictures": PICTURES,
    "describe_dataset": DESCRIPTION,
}
# What does the same for a derived data set, from the files of the one that it is derived from.
OF_DERIVED = {
    "subset_index": "derive_subset",
    "draw_validation": "derive_validation",
    "extract_features": "select_features",
    "extract_part": "select_part",
    "measure_pictures": "select_pictures",
}
# The same with what only some configurations need.
WORK = (
    *("download", "subset_index", "derive_subset", "draw_validation", "derive_validation"),
    *("fetch_weights", "extract_features", "select_features", "extract_part", "select_part"),
    *("cache_activations", "train_head", "tune_blocks", "metrics_json"),
    *("measure_pictures", "select_pictures", "describe_dataset"),
)
BEFORE_TRAINING = ("download", "subset_index", "fetch_weights", "extract_features")
LAST_OF_EXPERIMENT = "metrics_json"


def log_of(rule: str, pattern: str) -> str:
    """Return the pattern of a rule's log: named as the rule, and within as what the rule writes.

    >>> log_of("train_head", HEAD)
    '<logs>/train_head/{dataset}/{configuration}.log'
    """
    name = PurePosixPath(*PurePosixPath(pattern).with_suffix("").parts[2:])
    return f"<logs>/{rule}/{name}.log"
