"""Trained tokenizer without the harness that trained it: frames in data units -> codes -> frames.

frames --(x - mean) / scale--> z-scores --(z - centre) components^T--> --encoder--> --quantizer--> codes, and back.

A folder holds `tokenizer.safetensors` (all arrays) and `tokenizer.json` (their description). Nothing in it is run.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from quantizers.base import MOST_COMBINATIONS
from quantizers.checks import suggestion
from quantizers.defaults import usual_defaults
from quantizers.learned import rows_at_once
from quantizers.precise import apply_precisely
from quantizers.registry import create, names

FORMAT = 1
TENSORS, FACTS = "tokenizer.safetensors", "tokenizer.json"
TRANSFORM = ("mean", "scale", "centre", "components")
EXACT = 2**53
LARGEST = 1 << 20  # largest size of a layer or number of features; a file with more is damaged

Values = TypeVar("Values", NDArray[Any], Tensor)
Layers = Sequence[tuple[int, int]]


class TokenizerError(ValueError):
    """A folder does not hold a tokenizer that can be used here."""


class Tokenizer(nn.Module):
    """Encoder, quantizer and decoder between two linear maps; final.

    Args:
        name: Family of the quantizer, without a preset.
        parameters: All parameters of the quantizer, by name.
        num_codes: Wanted number K of codes; a lattice has the nearest product.
        code_dim: Dimension D of the encoder's output.
        features: Number F of features of a frame in data units.
        layers: Sizes (in, out) of the linear layers of the encoder and of the decoder, with ReLU between them; no layer
            is the identity.
        about: Facts for people, such as data, unit and protocol, as values that JSON can hold.
        plugin: Name of the plug-in that the family comes from; "" for this package.

    Raises:
        TokenizerError: The family is unknown, or refuses its parameters.
    """

    mean: Tensor
    scale: Tensor
    centre: Tensor
    components: Tensor

    def __init__(
        self,
        name: str,
        parameters: Mapping[str, Any],
        *,
        num_codes: int,
        code_dim: int,
        features: int,
        layers: tuple[Layers, Layers],
        about: Mapping[str, Any] | None = None,
        plugin: str = "",
    ) -> None:
        super().__init__()
        if name not in names():
            origin = f"it comes from the plug-in {plugin}: import that first" if plugin else None
            raise TokenizerError(f"unknown quantizer {name!r}; {origin or suggestion(name, names())}")
        width = layers[0][0][0] if layers[0] else code_dim
        with usual_defaults():
            try:
                self.quantizer = create(name, num_codes=num_codes, code_dim=code_dim, **parameters)
            except (TypeError, ValueError) as error:
                raise TokenizerError(f"quantizer {name!r} refuses its parameters: {error}") from error
            self.encoder = _network(layers[0], width, code_dim)
            self.decoder = _network(layers[1], code_dim, width)
        for part, shape in zip(TRANSFORM, ((features,), (features,), (features,), (width, features)), strict=True):
            self.register_buffer(part, torch.zeros(shape, dtype=torch.float64, device="cpu"))
        self.about = dict(about or {})
        self._facts = {
            "format": FORMAT,
            "quantizer": {"name": name, "parameters": dict(parameters), "num_codes": num_codes, "code_dim": code_dim},
            "plugin": plugin,
            "features": features,
            "encoder": [list(layer) for layer in layers[0]],
            "decoder": [list(layer) for layer in layers[1]],
            "about": self.about,
        }
        self.eval()

    @property
    def num_codes(self) -> int:
        """Number K of codes, of all combinations where there are several indices."""
        return self.quantizer.num_codes

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """Number of codes of every index: (K,) for one, and M numbers where codes are (..., M)."""
        return self.quantizer.code_sizes

    @property
    def _indices(self) -> tuple[int, ...]:
        count = len(self.code_sizes)
        return (count,) if count > 1 else ()

    @property
    def features(self) -> int:
        """Number F of features per frame."""
        return len(self.mean)

    @property
    def codebook(self) -> Tensor:
        """(K, D) code vectors, the inputs of the decoder."""
        return self.quantizer.codebook.detach()

    @property
    def positions(self) -> Tensor | None:
        """(K, g) place of each code on its lattice, or None for an unordered codebook."""
        return self.quantizer.positions

    @property
    @torch.no_grad()
    def prototypes(self) -> Tensor:
        """(K, F) float64 frame in data units that each code decodes to; of one index alone.

        Raises:
            ValueError: A code has several indices, whose combinations are too many to list; `decode` those used.
        """
        if self._indices:
            raise ValueError(f"Expected codes of one index, got {len(self.code_sizes)}: decode those that are used.")
        return self._frames(torch.arange(self.num_codes, device=self.mean.device))

    def _frames(self, codes: Tensor) -> Tensor:
        """Decode codes on the device as frames (..., F)."""
        projected = self.decoder(self.quantizer.decode(codes))
        frames: Tensor = (projected.double() @ self.components + self.centre) * self.scale + self.mean
        return frames

    @torch.no_grad()
    def encode(self, frames: Values) -> Values:
        """Encode frames (..., F) in data units as codes int64; arrays give an array, tensors a tensor.

        Codes are (...), or (..., M) for M > 1 indices.

        Real numbers of every kind are accepted, in any byte order and layout.

        Raises:
            ValueError: The frames have another width, or numbers that are not finite.
        """
        given = _real(frames)
        if given.ndim < 1 or given.shape[-1] != self.features:
            raise ValueError(
                f"Expected frames (..., {self.features}) of numbers in data units, got {frames.dtype} "
                f"{tuple(given.shape)}."
            )
        rows = given.reshape(-1, self.features)
        finite = rows.isfinite()
        if not finite.all():
            row, feature = (~finite).nonzero()[0].tolist()
            raise ValueError(
                f"Expected finite numbers in every frame, got {float(rows[row, feature])} in feature {feature} of the "
                f"frame with index {row} (sequences one after the other): fill or cut it."
            )
        blocks = torch.split(rows.to(self.mean.device), rows_at_once(max(self.code_sizes)))
        codes = torch.cat([self._encode(block) for block in blocks])
        return _like(codes.reshape(given.shape[:-1] + codes.shape[1:]), frames)

    @torch.no_grad()
    def decode(self, codes: Values) -> Values:
        """Decode codes (...), or (..., M) for M > 1 indices, as frames (..., F) float64 in data units.

        Raises:
            ValueError: The codes are not integers from 0 to K - 1, or have another number of indices.
        """
        given = _integers(codes)
        if self._indices and given.shape[-1:] != self._indices:
            raise ValueError(f"Expected codes (..., {len(self.code_sizes)}), one for every index, got {given.shape}.")
        for index, size in zip(given.unbind(-1) if self._indices else (given,), self.code_sizes, strict=True):
            if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < size:
                raise ValueError(f"Expected codes from 0 to {size - 1}, got {index.min()} to {index.max()}.")
        given = given.to(self.mean.device)
        return _like(self._frames(given) if self._indices else self.prototypes[given], codes)

    def forward(self, frames: Values) -> Values:
        """Encode and decode frames (..., F)."""
        return self.decode(self.encode(frames))

    def _encode(self, frames: Tensor) -> Tensor:
        # As the run encoded them: float64 throughout, rounded where it stores z-scores, components and latents.
        varies = self.scale > 0
        scores = torch.where(varies, (frames - self.mean) / torch.where(varies, self.scale, 1.0), 0.0).float()
        projected = ((scores.double() - self.centre) @ self.components.T).float()
        return self.quantizer.encode(apply_precisely(self.encoder, projected))

    def save(self, folder: Path) -> None:
        """Write the tokenizer into an existing folder."""
        arrays = {}
        for name, value in self.state_dict().items():
            arrays[f"transform.{name}" if name in TRANSFORM else name] = value
        # For readers without this package, because a family may store these in another form, or compute them.
        if not self._indices:
            arrays["codebook"] = self.codebook
        if self.positions is not None:
            arrays["positions"] = self.positions
        content = save({name: value.cpu().contiguous().clone() for name, value in arrays.items()})
        (folder / TENSORS).write_bytes(content)
        facts = self._facts | {"sha256": hashlib.sha256(content).hexdigest()}
        (folder / FACTS).write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """Load a tokenizer that `bench export` wrote.

    tokenizer = quantizers.load_tokenizer("my-tokenizer")
    codes = tokenizer.encode(frames)  # (T, F) or (n, T, F) in data units -> (T,) or (n, T)
    again = tokenizer.decode(codes)

    Raises:
        FileNotFoundError: The folder is absent, or lacks a file.
        TokenizerError: The files are damaged or of another version, or the family is not registered.
    """
    folder = Path(folder)
    for name in (FACTS, TENSORS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {folder}; expected a folder that bench export wrote")
    facts = _read_facts(folder / FACTS)
    content = (folder / TENSORS).read_bytes()
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise TokenizerError(f"{folder / TENSORS} is not the file that {FACTS} was written with: export it again")
    family = facts["quantizer"]
    tokenizer = Tokenizer(
        family["name"],
        family["parameters"],
        num_codes=family["num_codes"],
        code_dim=family["code_dim"],
        features=facts["features"],
        layers=(facts["encoder"], facts["decoder"]),
        about=facts["about"],
        plugin=facts["plugin"],
    )
    try:
        _fill(tokenizer, load(content))
    except (SafetensorError, RuntimeError, TokenizerError) as error:
        message = " ".join(str(error).split())
        raise TokenizerError(f"{folder / TENSORS} does not hold what {FACTS} tells ({message})") from error
    return tokenizer


def _fill(tokenizer: Tokenizer, arrays: dict[str, Tensor]) -> None:
    """Load arrays into a tokenizer."""
    if not all(value.isfinite().all() for value in arrays.values()):
        raise TokenizerError("numbers that are not finite")
    codebook = arrays.pop("codebook", torch.empty(0))
    arrays.pop("positions", None)
    tokenizer.load_state_dict({name.removeprefix("transform."): value for name, value in arrays.items()})
    if len(tokenizer.code_sizes) == 1 and codebook.shape != tokenizer.codebook.shape:
        raise TokenizerError(f"a codebook of shape {tuple(codebook.shape)}, not {tuple(tokenizer.codebook.shape)}")


def _read_facts(path: Path) -> dict[str, Any]:
    """Read tokenizer.json, and check the type of every value."""
    try:
        facts: Any = json.loads(path.read_bytes())  # UTF-8 or UTF-16, with a byte order mark or without
    except UnicodeDecodeError as error:
        raise TokenizerError(f"{path} is no text in UTF-8 ({error.reason}): save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"{path} is damaged ({error})") from error
    version = facts.get("format") if isinstance(facts, dict) else None
    if version != FORMAT:
        raise TokenizerError(f"Expected format {FORMAT} in {path}, got {version!r}: export the tokenizer again")
    try:
        family = facts["quantizer"]
        layers = [*facts["encoder"], *facts["decoder"]]
        mappings = family, family["parameters"], facts["about"]
        texts = family["name"], facts["plugin"], facts["sha256"]
        sizes = family["code_dim"], facts["features"], *chain(*layers)
        sound = (
            all(isinstance(value, dict) for value in mappings)
            and all(isinstance(value, str) for value in texts)
            and all(map(_is_size, sizes))
            and _is_size(family["num_codes"], MOST_COMBINATIONS)
            and all(len(layer) == 2 for layer in layers)
        )
    except (KeyError, TypeError) as error:
        raise TokenizerError(f"{path} lacks what a tokenizer needs ({type(error).__name__}: {error})") from error
    if not sound:
        raise TokenizerError(f"{path} tells what no tokenizer can be; export it again")
    return cast(dict[str, Any], facts)


def _is_size(value: object, largest: int = LARGEST) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= largest


def _network(layers: Layers, inputs: int, outputs: int) -> nn.Sequential:
    ends = [inputs, *chain(*layers), outputs]
    if ends[::2] != ends[1::2]:
        raise TokenizerError(f"Expected layers that lead from {inputs} to {outputs}, got {[tuple(n) for n in layers]}")
    modules: list[nn.Module] = []
    for layer in layers:
        modules += [nn.ReLU()] * bool(modules) + [nn.Linear(*layer)]
    return nn.Sequential(*modules)


def _real(values: NDArray[Any] | Tensor) -> Tensor:
    """Convert real numbers of any kind to float64."""
    if isinstance(values, Tensor):
        if values.is_complex() or values.dtype == torch.bool:
            raise ValueError(f"Expected real numbers, got a tensor of {values.dtype}.")
        return _exact(values.double(), integral=not values.is_floating_point())
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"Expected real numbers, got an array of {array.dtype}.")
    wide = torch.from_numpy(np.array(array, dtype=np.float64, order="C"))
    return _exact(wide, integral=array.dtype.kind in "iu")


def _exact(values: Tensor, *, integral: bool) -> Tensor:
    if integral and values.numel() and float(values.abs().max()) > EXACT:
        raise ValueError(
            "Expected whole numbers of at most 2^53, which float64 holds exactly: subtract an origin first."
        )
    return values


def _integers(values: NDArray[Any] | Tensor) -> Tensor:
    """Convert integers of any kind to int64."""
    kind = np.asarray(values).dtype if not isinstance(values, Tensor) else values.dtype
    integral = kind.kind in "iu" if isinstance(kind, np.dtype) else not (kind.is_floating_point or kind.is_complex)
    if not integral or kind == torch.bool:
        raise ValueError(f"Expected integer codes, got {kind}.")
    if isinstance(values, Tensor):
        return values.long()
    array = np.asarray(values)
    if array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"Expected codes that int64 can hold, got {array.max()}.")
    return torch.from_numpy(np.array(array, dtype=np.int64, order="C"))


def _like(result: Tensor, given: Values) -> Values:
    return result if isinstance(given, Tensor) else result.cpu().numpy()
