"""Any network of torchvision or timm, cut where its classifier begins."""

import random
import re

import pytest
import torch
from metaprobe.config.backbones import Timm, Torchvision
from metaprobe.core.errors import UserError
from metaprobe.data.transforms import PROTOCOL, Preprocessing
from metaprobe.features.cut import check_vectors, cut
from metaprobe.features.folding import fold
from metaprobe.features.networks import (
    build,
    last_linear,
    load_own,
    load_published,
    models_of,
    preprocessing_of,
)
from torchvision import models

pytestmark = pytest.mark.slow  # A hundred networks: minutes.
MANY = 25e6  # parameters: networks with more are long tests
SMALLEST_OF_THEIR_KIND = ("alexnet", "vgg11", "vit_b_16")  # of those
WITHOUT_LINEAR_LAYER = ("squeezenet1_0", "squeezenet1_1")


def marks(name: str, parameters: float) -> list[pytest.MarkDecorator]:
    is_long = parameters > MANY and name not in SMALLEST_OF_THEIR_KIND
    return [pytest.mark.long] if is_long else []


OF_TORCHVISION = [
    pytest.param(name, marks=marks(name, weights.DEFAULT.meta["num_params"]))
    for name in models_of("torchvision")
    if (weights := models.get_model_weights(name)) and name not in WITHOUT_LINEAR_LAYER
]
# One or two of each family of timm.
SMALL = (
    "deit_tiny_distilled_patch16_224 edgenext_xx_small efficientnet_lite0 levit_128s "
    "mobilenetv4_conv_small xcit_nano_12_p16_224"
)
LARGE = (
    "beitv2_base_patch16_224 caformer_s18 cait_xxs24_224 coat_tiny convit_tiny convnextv2_nano "
    "deit3_small_patch16_224 densenet121 efficientformer_l1 efficientvit_b0 eva02_tiny_patch14_224 "
    "fastvit_t8 gcvit_xxtiny "
    "ghostnet_100 hiera_tiny_224 hrnet_w18_small inception_next_tiny maxvit_rmlp_pico_rw_256 "
    "mixer_s32_224 mobilenetv3_small_050 mobilevit_xxs mvitv2_tiny nfnet_f0 pit_ti_224 "
    "poolformer_s12 pvt_v2_b0 regnety_004 repvit_m1 resnest14d resnet18 rexnet_100 selecsls42 starnet_s1 "
    "swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 tf_efficientnetv2_b0 tiny_vit_5m_224 "
    "tnt_s_patch16_224 twins_svt_small vgg11 visformer_tiny vit_base_patch16_siglip_224 "
    "vit_base_patch32_clip_224 vit_small_patch14_dinov2 vit_small_patch16_224 xception41"
)
# Those whose heads, poolings or sizes are like no other's; the rest is run by `make test-long`.
UNLIKE = (
    "cait_xxs24_224 convnextv2_nano densenet121 efficientformer_l1 hiera_tiny_224 "
    "maxvit_rmlp_pico_rw_256 mixer_s32_224 pit_ti_224 selecsls42 swin_tiny_patch4_window7_224 "
    "vgg11 vit_base_patch16_siglip_224 vit_small_patch14_dinov2"
)
OF_TIMM = [
    *SMALL.split(),
    *(
        pytest.param(one, marks=() if one in UNLIKE.split() else pytest.mark.long)
        for one in LARGE.split()
    ),
]
# Their heads are no single layer that could be put back: two heads, or one that holds a pooling.
TWO_HEADS = ("deit_tiny_distilled_patch16_224", "levit_128s", "efficientformer_l1")


def of_torchvision(model: str, weights: str | None = None, size: int | None = None) -> Torchvision:
    return Torchvision(library="torchvision", model=model, weights=weights, input_size=size)


def of_timm(model: str, size: int | None = None) -> Timm:
    return Timm(library="timm", model=model, input_size=size)


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest, relative to the largest value."""
    return float((found - expected).abs().max() / expected.abs().max())


def untrained(library: str, model: str, seed: int = 0) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(library, model).eval().requires_grad_(False)
        if (head := last_linear(network)[1]) is not None:
            head.weight.normal_()  # some libraries begin with zeros, from which nothing can be seen
        return network


def noise(count: int, size: int) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def seen_by_last_linear(
    network: torch.nn.Module, images: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What enters the last linear layer, and what the whole network gives."""
    seen = []
    _, layer = last_linear(network)
    hook = layer.register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
    logits = network(images)
    hook.remove()
    return seen[0], logits


@pytest.mark.parametrize("model", OF_TORCHVISION)
def test_features_of_torchvision_enter_the_last_linear_layer(model: str) -> None:
    """A cut that takes trained layers away with the classifier, as of ConvNeXt, VGG, MobileNetV3."""
    network, images = untrained("torchvision", model), noise(1, 224)
    expected, logits = seen_by_last_linear(network, images)
    head = last_linear(network)[1]
    features = cut(network)(images)
    assert check_vectors(features, 1) == head.in_features
    assert difference(features, expected) <= 1e-5
    assert difference(head(features), logits) <= 1e-5


@pytest.mark.parametrize("model", WITHOUT_LINEAR_LAYER)
def test_network_without_a_linear_layer_is_cut_where_it_is_told(model: str) -> None:
    """A shape error after the expensive pass."""
    with pytest.raises(UserError, match="no linear layer"):
        cut(untrained("torchvision", model))
    network, images = untrained("torchvision", model), noise(1, 224)
    features = cut(network, layer="features", pooling="mean")(images)
    assert torch.equal(features, untrained("torchvision", model).features(images).mean((2, 3)))


@pytest.mark.parametrize("model", OF_TIMM)
def test_features_of_timm_are_its_own(model: str) -> None:
    """Features that are not what timm's users know as the network's."""
    network = untrained("timm", model)
    images = noise(1, network.pretrained_cfg["input_size"][1])
    expected = network.forward_head(network.forward_features(images), pre_logits=True)
    head, logits = network.get_classifier(), network(images)
    features = cut(network)(images)
    check_vectors(features, 1)
    assert difference(features, expected) <= 1e-5
    if network.num_classes and model not in TWO_HEADS:
        assert difference(head(features), logits) <= 1e-5


@pytest.mark.parametrize(
    ("library", "model"),
    [
        ("torchvision", "shufflenet_v2_x0_5"),
        ("timm", "mobilenetv4_conv_small"),
        pytest.param("timm", "fastvit_t8", marks=pytest.mark.long),
        ("timm", "eva02_tiny_patch14_224"),
    ],
)
def test_folding_changes_no_feature(library: str, model: str) -> None:
    """A BatchNorm that is folded into a convolution whose output something else uses, too."""
    network = cut(untrained(library, model))
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.running_mean.normal_(0, 0.1)
    images = noise(2, 224)
    before = network(images)
    assert bool(fold(network, images[:1])) == (model != "eva02_tiny_patch14_224")
    assert difference(network(images), before) <= 1e-5


def test_all_of_a_resnets_batchnorms_are_folded() -> None:
    """Folding that finds nothing, which is twice as slow and fails no other test."""
    network = cut(untrained("torchvision", "resnet18"))
    assert len(fold(network, noise(1, 64))) == 20
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("layer", ["layer4", "layer4.1.bn2"])
def test_maps_are_no_features(layer: str) -> None:
    """A 4-D output that reaches a head."""
    network = untrained("torchvision", "resnet18")
    with pytest.raises(UserError, match=r"maps \(N, 512, 2, 2\), not vectors"):
        check_vectors(cut(network, layer=layer)(noise(3, 64)), 3)


def test_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"no layer 'layer5'; its outermost are conv1, .* fc"):
        cut(untrained("torchvision", "resnet18"), layer="layer5")


def test_tokens_are_pooled_as_told() -> None:
    """A class token in the mean of the positions, or two poolings in the wrong order."""
    network, images = untrained("timm", "vit_tiny_patch16_224"), noise(2, 224)
    tokens = network.forward_features(images)
    mean, token = tokens[:, 1:].mean(1), tokens[:, 0]
    for pooling, expected in {
        "mean": mean,
        "token": token,
        "both": torch.cat([token, mean], 1),
    }.items():
        assert torch.equal(cut(network, pooling=pooling)(images), expected)


def test_no_token_where_there_is_none() -> None:
    network = untrained("timm", "vit_base_patch16_siglip_224")
    with pytest.raises(UserError, match="no class token"):
        cut(network, pooling="token")(noise(1, 224))


def test_maps_of_timm_are_pooled_whatever_their_order() -> None:
    """A mean over channels and rows of Swin's (N, H, W, D)."""
    network, images = untrained("timm", "swin_tiny_patch4_window7_224"), noise(1, 224)
    features = cut(network, pooling="mean")(images)
    assert features.shape == (1, 768)
    assert torch.equal(features, network.forward_features(images).mean((1, 2)))


@pytest.mark.parametrize(
    ("library", "model", "words"),
    [
        ("torchvision", "resnet81", "did you mean resnet18"),
        ("timm", "vit_smal_patch16_224", "did you mean vit_small_patch16_224"),
        ("timm", "resnet18.nobody", r"no weights resnet18.nobody: it has .*resnet18.a1_in1k"),
    ],
)
def test_unknown_model_is_told_with_near_ones(library: str, model: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        build(library, model)


@pytest.mark.parametrize("model", ["resnet18", "densenet121", "inception_v3"])
def test_published_weights_are_loaded_as_torchvision_does(tmp_path, monkeypatch, model) -> None:
    """Old keys of DenseNet's file, or Inception's own normalisation, forgotten."""
    weights = models.get_model_weights(model).IMAGENET1K_V1
    file = tmp_path / "hub/checkpoints" / weights.url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    torch.save(as_published(untrained("torchvision", model).state_dict(), model), file)
    found = load_published(of_torchvision(model, "IMAGENET1K_V1"), file).eval()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    own = models.get_model(model, weights=weights).eval()
    with torch.inference_mode():
        assert torch.equal(found(noise(1, 128)), own(noise(1, 128)))


def as_published(state: dict[str, torch.Tensor], model: str) -> dict[str, torch.Tensor]:
    """A state dict as its file has it: DenseNet's is older than today's names of layers."""
    if model != "densenet121":
        return state
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))([12]\.)")
    counters = ".num_batches_tracked"
    return {old.sub(r"\1.\2", k): v for k, v in state.items() if not k.endswith(counters)}


def test_published_weights_of_timm_are_loaded_by_timm(tmp_path) -> None:
    """Position embeddings that are not fitted to another size of images."""
    from safetensors.torch import save_file

    network = untrained("timm", "deit3_small_patch16_224.fb_in1k")
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    model = "deit3_small_patch16_224.fb_in1k"
    same = load_published(of_timm(model), tmp_path / "model.safetensors").eval()
    assert torch.equal(same(noise(1, 224)), network(noise(1, 224)))
    larger = load_published(of_timm(model, 256), tmp_path / "model.safetensors").eval()
    assert larger(noise(1, 256)).shape == (1, 1000)


def test_state_of_ones_own_fits_after_renaming() -> None:
    """Weights of a network without its classifier, or of another number of classes, refused."""
    network = untrained("timm", "efficientnet_lite0", seed=5)
    state = {f"model.{key}": value for key, value in network.state_dict().items()}
    state["model.classifier.weight"] = torch.zeros(37, 1280)
    found = load_own("timm", "efficientnet_lite0", state, {r"^model\.": ""}, None).eval()
    images = noise(2, 64)
    assert torch.equal(cut(found)(images), cut(network)(images))


def test_state_that_does_not_fit_is_one_line() -> None:
    """A traceback of a thousand keys, or weights of a layer left random without a word."""
    state = dict(untrained("torchvision", "resnet18").state_dict())
    state["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    state["neck.weight"] = state.pop("layer1.0.bn1.bias")
    with pytest.raises(UserError) as told:
        load_own("torchvision", "resnet18", state, {}, None)
    assert str(told.value) == (
        "the state does not fit torchvision's resnet18: layer1.0.bn1.bias is missing (1 in all); "
        "neck.weight is not of this network (1 in all); "
        "conv1.weight (64, 1, 7, 7), not (64, 3, 7, 7) has another shape (1 in all)"
    )


@pytest.mark.parametrize("model", random.Random(0).sample(models_of("torchvision"), 8))
def test_preprocessing_of_torchvision_is_its_own(model: str) -> None:
    from metaprobe.data.transforms import colour, normalise
    from PIL import Image

    weights = models.get_model_weights(model).DEFAULT
    to = preprocessing_of(of_torchvision(model))
    image = Image.effect_noise((300, 280), 60).convert("RGB")
    pixels = torch.from_numpy(colour(image, to)[None].copy())
    assert torch.equal(normalise(pixels, to)[0], weights.transforms()(image))


@pytest.mark.parametrize(
    "model",
    ["vit_small_patch14_dinov2.lvd142m", "vit_base_patch16_siglip_224.webli", "resnet50.a1_in1k"],
)
def test_preprocessing_of_timm_is_its_own(model: str) -> None:
    """A crop, a filter or a normalisation that are not those of the weights."""
    import timm
    from metaprobe.data.transforms import colour, normalise
    from PIL import Image

    to = preprocessing_of(of_timm(model))
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(model).to_dict())
    image = Image.effect_noise((300, 280), 60).convert("RGB")
    expected = timm.data.create_transform(**config, is_training=False)(image)
    pixels = torch.from_numpy(colour(image, to)[None].copy())
    assert torch.allclose(normalise(pixels, to)[0], expected, atol=1e-6)


def test_another_size_keeps_the_share_that_is_cropped() -> None:
    weights = "ResNet18_Weights.IMAGENET1K_V1"
    half = preprocessing_of(of_torchvision("resnet18", weights, 112))
    assert half == Preprocessing(size=112, resized=128)
    assert preprocessing_of(of_torchvision("resnet18", weights)) == PROTOCOL
