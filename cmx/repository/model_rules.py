"""What a model says of itself, held against what there is: tasks and their metrics, types of tensors, formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from cmx.component import Model, Variant
from cmx.errors import nearest
from cmx.repository.catalog import Catalog, near
from cmx.repository.operator_rules import step_faults
from cmx.repository.task_rules import has_metric, metrics, tasks

_SIZES = (8, 16, 32, 64)
_TYPES = frozenset(
    {
        *("bool", "float16", "bfloat16", "float32", "float64", "complex64", "complex128", "str", "string", "bytes"),
        *("int4", "uint4", "float8_e4m3fn", "float8_e5m2", *(f"{u}int{size}" for u in ("", "u") for size in _SIZES)),
    }
)
_SAME_SHAPE = ("softmax",)
Said = tuple[str, str, str]
"""A key, what is wrong with it, and the remedy."""


def model_faults(model: Model, catalog: Catalog) -> Iterator[Said]:
    """What keeps a model from being run, or its answers from being judged."""
    task = str(model.document["task"])
    for owner, document in _owners(model):
        for key in ("preprocess", "postprocess"):
            yield from ((f"{owner}{key}.{n}", wrong, hint) for n, wrong, hint in step_faults(document.get(key, [])))
        for key in ("inputs", "outputs"):
            yield from _types(f"{owner}{key}", document.get(key, []))
        for place, said in _references(owner, document):
            yield from _reference(task, place, said)
    yield from dict.fromkeys(each for name in model.variants for each in _too_many(model, name))
    yield from (said for is_near, said in _unread(model, catalog) if is_near)


def notes(document: Mapping[str, Any]) -> Iterator[Said]:
    """What may be a slip of the author's of a model or a dataset, and may be meant, too."""
    task = str(document.get("task", ""))
    hint = nearest(task, tasks())
    if task and task not in tasks() and hint.startswith("did you mean"):
        yield (
            "task",
            f"cmx has no task {task!r}",
            f"{hint} A word of your own is fine where only actions of your own use the model",
        )


def unread(model: Model, catalog: Catalog) -> Iterator[Said]:
    """The variants that no framework of the catalog reads, though nothing is made from them."""
    yield from (said for is_near, said in _unread(model, catalog) if not is_near)


def measured_on(model: Model, catalog: Catalog) -> Iterator[Said]:
    """The references on a dataset that the catalog has not: what was meant may be in a repository of others."""
    known = catalog.names("dataset")
    for owner, document in _owners(model):
        for place, said in _references(owner, document):
            if (name := said["dataset"]) not in known:
                yield f"{place}.dataset", f"there is no dataset {name!r} in the catalog", near(name, known)


def _owners(model: Model) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The model and its variants, which may say the same: the beginning of their keys, and what is said."""
    yield "", model.document
    yield from ((f"variants.{name}.", each) for name, each in model.document["variants"].items())


def _too_many(model: Model, variant: str) -> Iterator[Said]:
    """More of the best values asked for than any output of a variant has, where their shapes are known."""
    _, outputs = _said_of(model, variant, "outputs")
    owner, steps = _said_of(model, variant, "postprocess")
    sizes = {each["name"]: (each["shape"] or [1])[-1] for each in outputs}
    if not sizes or not all(isinstance(size, int) for size in sizes.values()):
        return
    largest = max(sizes, key=lambda name: sizes[name])
    for number, step in enumerate(steps):
        ((operator, given),) = step.items()
        k = given.get("k") if isinstance(given, Mapping) else given
        if operator == "top_k" and isinstance(k, int) and k > sizes[largest]:
            wrong = f"top_k is {k}, and the last axis of the output {largest!r} has {sizes[largest]}"
            yield f"{owner}postprocess.{number}", wrong, f"write top_k: {sizes[largest]} or less, or correct the shape"
        if operator not in _SAME_SHAPE:
            return


def _said_of(model: Model, variant: str, key: str) -> tuple[str, list[Mapping[str, Any]]]:
    """What a variant says, or else what it is made from, or else the model: the beginning of the key, and the value."""
    for each in model.chain(variant):
        if key in model.document["variants"][each.name]:
            return f"variants.{each.name}.", model.document["variants"][each.name][key]
    return "", model.document.get(key, [])


def _types(place: str, tensors: list[Mapping[str, Any]]) -> Iterator[Said]:
    for number, tensor in enumerate(tensors):
        if tensor["dtype"] not in _TYPES:
            yield f"{place}.{number}.dtype", f"there is no type {tensor['dtype']!r}", nearest(tensor["dtype"], _TYPES)


def _references(owner: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The key of each reference on a dataset, and what it says."""
    said = document.get("reference", [])
    if isinstance(said, list):
        yield from ((f"{owner}reference.{number}", each) for number, each in enumerate(said))
    elif "none" not in said:
        yield f"{owner}reference", said


def _reference(task: str, place: str, said: Mapping[str, Any]) -> Iterator[Said]:
    """Every metric of our tasks is 1 where all is right; of another task's nothing is known."""
    for name, value in said.items():
        if name == "dataset" or task not in tasks():
            continue
        if name != "tolerance" and not has_metric(task, name):
            yield f"{place}.{name}", f"{task} has no such metric", nearest(name, metrics(task))
        if not 0 <= value <= 1:
            share = f", as in {value / 100:g} for {value:g} %" if 1 < value <= 100 else ""
            yield f"{place}.{name}", f"{value:g} is not between 0 and 1", f"write a share of 1{share}"


def _unread(model: Model, catalog: Catalog) -> Iterator[tuple[bool, Said]]:
    """The last variants of each chain whose format no framework reads; and whether there is one of nearly that name."""
    origins = {variant.origin for variant in model.variants.values()}
    known = _formats(catalog)
    for variant in model.variants.values():
        if known and variant.name not in origins and variant.format not in known:
            hint = nearest(variant.format, known)
            said = (_place(variant), f"no framework of the catalog reads the format {variant.format!r}", hint)
            yield hint.startswith("did you mean"), said


def _place(variant: Variant) -> str:
    return f"variants.{variant.name}" if variant.name == variant.format else f"variants.{variant.name}.format"


@lru_cache(maxsize=1)
def _formats(catalog: Catalog) -> frozenset[str]:
    """What the frameworks of a catalog read."""
    documents = (catalog.document(entry) for entry in catalog.entries("software-detect"))
    return frozenset(each for document in documents for each in document.get("formats", ()))
