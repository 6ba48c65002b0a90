"""A network split at a block: what stays frozen below it, and what is trained from there on."""

from typing import Any

import torch
from torch import fx

from metaprobe.core.errors import UserError


class _Outline(fx.Tracer):
    """Traces what runs between the modules that hold no block, which count as one each."""

    def __init__(self, blocks: list[str]) -> None:
        super().__init__()
        self.blocks = blocks

    def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
        """Return whether the tracer stops at a module."""
        return not any(block.startswith(f"{module_qualified_name}.") for block in self.blocks)


def split(
    network: torch.nn.Module, blocks: list[str], first: str
) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return what runs before a block, images (N, 3, S, S) to activations, and the rest, to (N, D).

    The two share the network's modules.

    Args:
        blocks: `blocks.blocks_of` the network.
        first: the block, one of them.

    Raises:
        UserError: more than one array passes between the two.
    """
    try:
        graph = _Outline(blocks).trace(network)
    except Exception as error:  # whatever a network does with the tracer's stand-ins
        why = " ".join(str(error).split())[:150]
        raise _impossible(first, f"it cannot be traced ({why})") from None
    entry = next(node for node in graph.nodes if node.op == "call_module" and node.target == first)
    activation = entry.args[0]
    if not isinstance(activation, fx.Node):
        raise _impossible(first, "it takes more than one array")
    output = next(node for node in graph.nodes if node.op == "output")
    lower, upper = fx.Graph(), fx.Graph()
    lower.output(_copy(activation, lower, {}))
    known: dict[fx.Node, fx.Node] = {activation: upper.placeholder("activation")}
    above = _copy(output.args[0], upper, known)
    if any(node.op == "placeholder" for node in list(upper.nodes)[1:]):
        raise _impossible(first, "more than one array passes there")
    upper.output(above)
    return fx.GraphModule(network, lower), fx.GraphModule(network, upper)


def _impossible(block: str, why: str) -> UserError:
    return UserError(f"it cannot be cut before {block}: {why}; use trainable: head, bias or all")


def _copy(node: Any, graph: fx.Graph, known: dict[fx.Node, fx.Node]) -> Any:
    """Copy a node and all that it needs into a graph."""
    order: list[fx.Node] = []
    pending = [node]
    seen: set[fx.Node] = set()
    while pending:
        one = pending.pop()
        if one in known or one in seen:
            continue
        seen.add(one)
        order.append(one)
        pending += one.all_input_nodes
    position = {one: number for number, one in enumerate(node.graph.nodes)}
    for one in sorted(order, key=position.__getitem__):
        known[one] = graph.node_copy(one, known.__getitem__)
    return known[node]
