"""Which dimensions vary, and inputs of other sizes and values made from the example's."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .errors import InvalidArgument

BATCH = "batch"
_LARGEST = 1 << 24  # elements of an input that is made only to try another size


@dataclass(frozen=True)
class Axis:
    """A size that varies: the dimensions (input, dimension) that share it."""

    name: str
    size: int
    where: tuple[tuple[int, int], ...]

    def sizes(self, inputs) -> list[int]:
        """Other sizes to try. One and an odd number always stand for the batch."""
        if self.name == BATCH:
            wanted = [1, 3, self.size + 1]
        else:  # not 1: it broadcasts, and so proves nothing
            wanted = [self.size + 1, self.size * 2, self.size - 1, self.size // 2, self.size + 2, self.size + 16]
            wanted = [n for n in wanted if n > 1]
        largest = max(inputs[i].numel() for i, _ in self.where)
        return [n for n in dict.fromkeys(wanted)
                if n != self.size and (n <= 3 or largest // self.size * n <= _LARGEST)]


def find(names: list[str], inputs: list[torch.Tensor], dynamic_axes, batch: bool) -> list[Axis]:
    """The axes that vary: the first dimension of every input (`batch`), and those declared."""
    groups: dict[str, list[tuple[int, int]]] = {}
    for name, declared in (dynamic_axes or {}).items():
        if name not in names:
            raise InvalidArgument(f"dynamic_axes names {name!r}; the inputs are {', '.join(names)}", "name an input")
        index = names.index(name)
        pairs = declared.items() if isinstance(declared, dict) else ((d, f"{name}[{d}]") for d in declared)
        for dimension, label in pairs:
            if not -inputs[index].dim() <= dimension < inputs[index].dim():
                raise InvalidArgument(
                    f"dynamic_axes: {name!r} has no dimension {dimension}, it is {list(inputs[index].shape)}",
                    "count dimensions from 0",
                )
            dimension %= inputs[index].dim()
            if not (batch and dimension == 0):
                groups.setdefault(str(label), []).append((index, dimension))
    if batch:
        _check_batch(names, inputs)
        groups = {BATCH: [(i, 0) for i in range(len(inputs))], **groups}
    return [_axis(name, where, names, inputs) for name, where in groups.items()]


def _axis(name, where, names, inputs) -> Axis:
    sizes = {inputs[i].shape[d] for i, d in where}
    if len(sizes) != 1:
        raise InvalidArgument(
            f"axis {name!r} has different sizes in the example: "
            + ", ".join(f"{names[i]}[{d}] = {inputs[i].shape[d]}" for i, d in where),
            "give axes that vary on their own different names, or an example where they agree",
        )
    return Axis(name, sizes.pop(), tuple(where))


def _check_batch(names, inputs) -> None:
    if any(x.dim() == 0 for x in inputs) or len({x.shape[0] for x in inputs}) != 1:
        shapes = ", ".join(f"{n} {list(x.shape)}" for n, x in zip(names, inputs))
        raise InvalidArgument(
            f"the inputs have no batch dimension in common: {shapes}",
            "give every input the same first dimension, the batch; or pass batch=False (on the command line --no-batch) "
            "and name what varies in dynamic_axes",
        )


def varying(axes: list[Axis], count: int) -> list[set[int]]:
    """For each input, its dimensions that vary."""
    return [{d for axis in axes for i, d in axis.where if i == index} for index in range(count)]


def resized(inputs, axis: Axis, size: int, rows=None) -> list[torch.Tensor]:
    """The inputs with another size of one axis: the example's slices first, then new ones out of its values."""
    result = list(inputs)
    for index, dimension in axis.where:
        source = result[index]
        have = source.shape[dimension]
        if size <= have:
            result[index] = source.narrow(dimension, 0, size).contiguous()
        else:
            shape = list(source.shape)
            shape[dimension] = size - have
            more = drawn(source, shape, seed=size)
            result[index] = torch.cat([source, more], dimension)
    return result


def drawn(source: torch.Tensor, shape, seed: int) -> torch.Tensor:
    """A tensor of values that occur in `source`: in range for indices, typical for measurements."""
    generator = torch.Generator().manual_seed(seed)
    count = 1
    for size in shape:
        count *= size
    picks = torch.randint(source.numel(), (count,), generator=generator)
    return source.reshape(-1)[picks].reshape(shape)


def other_values(inputs) -> list[list[torch.Tensor]]:
    """Inputs of the same shapes whose values take other paths: drawn anew, negative, zero, large, extreme."""
    def each(rule):
        return [rule(i, x) for i, x in enumerate(inputs)]

    def scaled(factor):
        return each(lambda _, x: x * factor if x.is_floating_point() else x.flip(0) if x.dim() else x)

    def filled(pick):
        return each(lambda _, x: torch.full_like(x, pick(x).item()) if not x.is_floating_point() else x * 0)

    lowest = filled(lambda x: x.min() if x.dtype != torch.bool else torch.tensor(False))
    highest = filled(lambda x: x.max() if x.dtype != torch.bool else torch.tensor(True))
    values = [each(lambda i, x, s=seed: drawn(x, list(x.shape), 1000 * s + i)) for seed in (1, 2)]
    values += [scaled(-1), scaled(10), scaled(-10), lowest, highest]
    values.append(each(lambda i, x: noise(x, i)))
    # One input changed at a time: a branch may look at one alone.
    if len(inputs) > 1:
        for index in range(len(inputs)):
            for other in (scaled(-1), lowest, highest):
                values.append([other[i] if i == index else x for i, x in enumerate(inputs)])
    return values


def noise(source: torch.Tensor, seed: int) -> torch.Tensor:
    """Normal noise of unit size for floats; integers and booleans drawn anew."""
    if not source.is_floating_point():
        return drawn(source, list(source.shape), 77 + seed)
    generator = torch.Generator().manual_seed(77 + seed)
    return torch.randn(source.shape, generator=generator, dtype=torch.float32).to(source.dtype)
