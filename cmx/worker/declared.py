"""Whether a loaded model is what its component declares: as many tensors, of these shapes.

Names are not compared: frameworks rename tensors and put them into another order when a model is converted.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any, Dict, Sequence, Tuple

from cmx.worker.context import Role
from cmx.worker.outcome import ActionError
from cmx.worker.predictors import Predictor, TensorInfo

_MOST = 6  # tensors that are tried in every order
_KINDS = ("inputs", "outputs")


def check_declared(model: Role, predictor: Predictor) -> None:
    """Raise ActionError where no order of the model's tensors fits those of its component.yaml.

    A model may have more outputs than are declared. What either leaves open (a name, a dimension that varies) fits.
    """
    for kind in _KINDS:
        declared = [(str(each["name"]), tuple(each.get("shape", ()))) for each in model.get(kind) or ()]
        found: Sequence[TensorInfo] = getattr(predictor, kind)
        if not declared or _fits(declared, found, more=kind == "outputs"):
            continue
        own = f"variants.{_owner(model, kind)}.{kind}" if _owner(model, kind) else kind
        said, here = _listed(declared), _listed([(each.name, each.shape) for each in found])
        raise ActionError(
            f"{model.folder / 'component.yaml'}: {own}: declared {said}, and the model [{model.variant}] has {here}",
            "write there what the model has, or put the model there that was meant",
        )


def _fits(declared: Sequence[Tuple[str, Any]], found: Sequence[TensorInfo], *, more: bool) -> bool:
    if len(found) != len(declared) and not (more and len(found) > len(declared)):
        return False
    named = {each.name: each for each in found}
    if all(name in named for name, _ in declared):
        return all(_same(shape, named[name].shape) for name, shape in declared)
    if len(found) > _MOST:
        return True
    return any(
        all(_same(shape, each.shape) for (_, shape), each in zip(declared, order))
        for order in permutations(found, len(declared))
    )


def _same(declared: Sequence[Any], found: Sequence[Any]) -> bool:
    """Whether two shapes may be one; a model may leave its shape open altogether, which is an empty one here."""
    if not declared or not found:
        return True
    return len(declared) == len(found) and all(a == b for a, b in zip(declared, found) if _fixed(a) and _fixed(b))


def _fixed(size: Any) -> bool:
    return isinstance(size, int) and size > 0


def _owner(model: Role, kind: str) -> str:
    """The variant that has these tensors of its own: the role's, or one that it is made from; "" for the model."""
    variants: Dict[str, Any] = model.component.get("variants", {})
    name = model.variant
    while name in variants:
        if kind in variants[name]:
            return str(name)
        name = variants[name].get("from", "")
    return ""


def _listed(tensors: Sequence[Tuple[str, Any]]) -> str:
    return ", ".join(f"{name} [{', '.join('?' if s is None else str(s) for s in shape)}]" for name, shape in tensors)
