import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import quantizers
from quantizers.tokenizer import FACTS, TENSORS, Tokenizer, TokenizerError

FAMILIES = {name: quantizers.get(name)[1] for name in quantizers.names()}
FEATURES, WIDTH, HIDDEN, CODES = 7, 4, 9, 16
LAYERS = ([(WIDTH, HIDDEN), (HIDDEN, WIDTH)], [(WIDTH, HIDDEN), (HIDDEN, WIDTH)])


def made(name="vq", layers=LAYERS, seed=0, **facts):
    """A tokenizer with random values in every array."""
    torch.manual_seed(seed)
    given = {"num_codes": CODES, "code_dim": WIDTH, "features": FEATURES, "layers": layers} | facts
    tokenizer = Tokenizer(name, FAMILIES[name], **given)
    tokenizer.quantizer.initialise(torch.randn(500, WIDTH))
    features = given["features"]
    tokenizer.mean.copy_(torch.randn(features) * 100)
    tokenizer.scale.copy_(torch.rand(features) * 10 + 0.1)
    tokenizer.centre.copy_(torch.randn(features) * 0.1)
    tokenizer.components.copy_(torch.linalg.qr(torch.randn(features, WIDTH))[0].T)
    return tokenizer


@pytest.fixture
def saved(tmp_path):
    tokenizer = made("som-vq", about={"row": "som-vq", "unit": "cm"})
    tokenizer.save(tmp_path)
    return tokenizer, tmp_path


def perceptron(network, x):
    """In numpy and float64: every other module is a ReLU."""
    for number, layer in enumerate(network):
        if number % 2:
            x = np.maximum(x, 0)
        else:
            x = x @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
    return x


@pytest.mark.parametrize("name", FAMILIES)
def test_what_comes_back_codes_and_decodes_by_the_formulas(tmp_path, name):
    source = made(name)
    source.save(tmp_path)
    tokenizer = quantizers.load_tokenizer(tmp_path)
    mean, scale, centre, components = (
        getattr(source, part).double().numpy() for part in ("mean", "scale", "centre", "components")
    )
    frames = mean + scale * np.random.default_rng(0).normal(size=(3, 50, FEATURES))
    latents = perceptron(source.encoder, ((frames - mean) / scale - centre) @ components.T)
    expected = source.quantizer.encode(torch.from_numpy(latents.reshape(-1, WIDTH)).float()).numpy()
    expected = expected.reshape(3, 50, *expected.shape[1:])
    codes = tokenizer.encode(frames)
    indices = len(source.quantizer.code_sizes)
    assert (codes.shape, codes.dtype) == ((3, 50, indices) if indices > 1 else (3, 50), np.int64)
    np.testing.assert_array_equal(codes, expected)
    assert len(np.unique(codes)) > 2

    if indices > 1:
        vectors = source.quantizer.decode(torch.from_numpy(codes)).detach().double().numpy()
    else:
        vectors = source.quantizer.codebook.detach().double().numpy()[codes]
    decoded = (perceptron(source.decoder, vectors) @ components + centre) * scale + mean
    np.testing.assert_allclose(tokenizer.decode(codes), decoded, atol=1e-3)
    assert tokenizer.num_codes == source.quantizer.num_codes
    assert (tokenizer.positions is None) == (source.quantizer.positions is None)


def test_more_combinations_than_a_codebook_holds_are_coded_and_decoded(tmp_path):
    made("rvq", num_codes=32**6).save(tmp_path)  # two stages of 32,768
    tokenizer = quantizers.load_tokenizer(tmp_path)
    assert tokenizer.code_sizes == (32**3,) * 2
    assert "codebook" not in load_file(tmp_path / TENSORS)
    frames = np.random.default_rng(1).normal(size=(4, FEATURES))
    codes = tokenizer.encode(frames)
    assert codes.shape == (4, 2)
    assert tokenizer.decode(codes).shape == (4, FEATURES)
    np.testing.assert_allclose(tokenizer.decode(codes)[2], tokenizer.decode(codes[2]), rtol=1e-5)  # float32 within
    for wrong, message in ((codes[:, :1], "one for every index"), (codes + 32**3, "Expected codes from 0 to 32767")):
        with pytest.raises(ValueError, match=message):
            tokenizer.decode(wrong)
    with pytest.raises(ValueError, match="decode those that are used"):
        _ = tokenizer.prototypes


def test_the_nearest_code_vector_is_taken(saved):
    tokenizer, _ = saved
    frames = np.random.default_rng(1).normal(size=(40, FEATURES)) * 10
    scores = (torch.from_numpy(frames) - tokenizer.mean) / tokenizer.scale
    z = tokenizer.encoder(((scores - tokenizer.centre) @ tokenizer.components.T).float())
    distances = torch.cdist(z.double(), tokenizer.codebook.double())
    assert tokenizer.encode(frames).tolist() == distances.argmin(1).tolist()


def test_arrays_give_arrays_and_tensors_tensors_of_any_leading_shape(saved):
    tokenizer, _ = saved
    frames = np.random.default_rng(0).normal(size=(2, 5, FEATURES)).astype(np.float32)
    frames.setflags(write=False)
    codes = tokenizer.encode(frames)
    assert isinstance(codes, np.ndarray)
    assert codes.shape == (2, 5)
    as_tensors = tokenizer.encode(torch.tensor(frames))
    assert isinstance(as_tensors, torch.Tensor)
    assert as_tensors.tolist() == codes.tolist()
    assert tokenizer.encode(frames[0]).tolist() == codes[0].tolist()
    assert tokenizer.encode(frames[0, 0]).shape == ()
    assert tokenizer.encode(frames[:, :0]).shape == (2, 0)
    assert tokenizer.decode(codes[:, :0]).shape == (2, 0, FEATURES)
    np.testing.assert_array_equal(tokenizer.decode(codes.astype(np.uint16)), tokenizer.decode(codes))
    np.testing.assert_array_equal(tokenizer(frames), tokenizer.decode(codes))
    learnable = torch.ones(FEATURES, requires_grad=True)
    (tokenizer.decode(as_tensors) * learnable).sum().backward()  # what it gives may be learned from


def test_many_frames_are_coded_in_blocks_alike(saved, monkeypatch):
    tokenizer, _ = saved
    frames = np.random.default_rng(0).normal(size=(100, FEATURES)) * 30
    whole = tokenizer.encode(frames)
    monkeypatch.setattr("quantizers.tokenizer.rows_at_once", lambda num_codes: 7)
    np.testing.assert_array_equal(tokenizer.encode(frames), whole)


def test_a_small_feature_on_a_large_mean_is_not_lost():
    tokenizer = made(layers=([], []), features=WIDTH)
    tokenizer.mean.fill_(2.0**24)
    tokenizer.scale.fill_(0.25)
    tokenizer.centre.zero_()
    tokenizer.components.copy_(torch.eye(WIDTH))
    z = torch.randint(-8, 8, (50, WIDTH)) / 4
    frames = (z.double() * 0.25 + 2.0**24).numpy()
    assert tokenizer.encode(frames).tolist() == tokenizer.quantizer.encode(z).tolist()


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((5, FEATURES + 1)), r"Expected frames \(\.\.\., 7\) .* got float64 \(5, 8\)"),
        (np.float64(1.0), r"got float64 \(\)"),
        (np.full((5, FEATURES), np.nan), "finite"),
        (np.zeros((5, FEATURES), complex), "complex"),
    ],
)
def test_frames_that_are_none_are_refused(saved, frames, message):
    with pytest.raises(ValueError, match=message):
        saved[0].encode(frames)


@pytest.mark.parametrize(
    ("codes", "message"),
    [(np.array([0, CODES]), "from 0 to 15, got 0 to 16"), (np.array([-1]), "got -1"), (np.zeros(3), "integer codes")],
)
def test_codes_that_are_none_are_refused(saved, codes, message):
    with pytest.raises(ValueError, match=message):
        saved[0].decode(codes)


def test_the_files_can_be_read_without_the_package(saved):
    _, folder = saved
    arrays = load_file(folder / TENSORS)
    assert arrays["codebook"].shape == (CODES, WIDTH)
    assert arrays["positions"].shape == (CODES, 2)
    assert {"transform.mean", "transform.components", "encoder.0.weight", "decoder.2.bias"} <= arrays.keys()
    facts = json.loads((folder / FACTS).read_text())
    assert facts["about"] == {"row": "som-vq", "unit": "cm"} == quantizers.load_tokenizer(folder).about
    assert facts["encoder"] == [[WIDTH, HIDDEN], [HIDDEN, WIDTH]]


def test_a_tokenizer_without_networks_is_its_code_vectors(tmp_path):
    tokenizer = made(layers=([], []))
    tokenizer.save(tmp_path)
    again = quantizers.load_tokenizer(tmp_path)
    expected = (
        tokenizer.codebook.double() @ tokenizer.components + tokenizer.centre
    ) * tokenizer.scale + tokenizer.mean
    torch.testing.assert_close(again.prototypes, expected)


def test_a_plug_ins_family_is_asked_for(saved):
    _, folder = saved
    facts = json.loads((folder / FACTS).read_text())
    facts["quantizer"]["name"], facts["plugin"] = "macqueen", "macqueen.py"
    (folder / FACTS).write_text(json.dumps(facts))
    with pytest.raises(TokenizerError, match=r"unknown quantizer 'macqueen'; it comes from the plug-in macqueen\.py: "):
        quantizers.load_tokenizer(folder)


def test_what_is_not_there_is_told(saved, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no tokenizer\.json in .*; expected a folder that bench export wrote"):
        quantizers.load_tokenizer(tmp_path / "absent")
    (saved[1] / TENSORS).unlink()
    with pytest.raises(FileNotFoundError, match=r"no tokenizer\.safetensors"):
        quantizers.load_tokenizer(saved[1])


def changed(facts, *path, value):
    *parents, last = path
    place = facts
    for name in parents:
        place = place[name]
    place[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), 2, "Expected format 1 in .* got 2"),
        (("features",), 0, "no tokenizer can be"),
        (("features",), 10**12, "no tokenizer can be"),
        (("features",), FEATURES + 1, "does not hold what tokenizer.json tells .*size mismatch for mean"),
        (("quantizer",), [], "lacks what a tokenizer needs"),
        (("quantizer", "name"), "som-vqq", "did you mean 'som-vq'"),
        (("quantizer", "name"), "vq", "refuses its parameters: unknown parameter"),
        (("quantizer", "parameters"), {"rate": -1}, "refuses its parameters"),
        (("quantizer", "parameters"), {"rate": "x"}, "refuses its parameters"),
        (("quantizer", "num_codes"), 25, "does not hold what"),
        (("quantizer", "num_codes"), True, "no tokenizer can be"),
        (("encoder",), [[WIDTH, HIDDEN]], "lead from 4 to 4"),
        (("encoder",), [[WIDTH, 8], [HIDDEN, WIDTH]], "lead from 4 to 4"),
        (("encoder",), [[WIDTH, WIDTH, WIDTH]], "no tokenizer can be"),
        (("decoder",), [[WIDTH, WIDTH]], "does not hold what"),
        (("sha256",), "0" * 64, "is not the file that"),
        (("about",), None, "no tokenizer can be"),
    ],
)
def test_facts_that_do_not_fit_are_refused(saved, path, value, message):
    _, folder = saved
    facts = json.loads((folder / FACTS).read_text())
    changed(facts, *path, value=value)
    (folder / FACTS).write_text(json.dumps(facts))
    with pytest.raises(TokenizerError, match=message):
        quantizers.load_tokenizer(folder)


@pytest.mark.parametrize("text", ["{", "[]", "null", '"x"'])
def test_facts_that_are_none_are_refused(saved, text):
    (saved[1] / FACTS).write_text(text)
    with pytest.raises(TokenizerError, match=r"damaged|Expected format 1"):
        quantizers.load_tokenizer(saved[1])


def rewritten(folder: Path, arrays) -> None:
    """The folder with other arrays, and facts that agree to them."""
    save_file(arrays, folder / TENSORS)
    facts = json.loads((folder / FACTS).read_text())
    facts["sha256"] = hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest()
    (folder / FACTS).write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays | {"transform.mean": torch.full((FEATURES,), torch.nan)}, "not finite"),
        (lambda arrays: {n: v for n, v in arrays.items() if n != "encoder.0.bias"}, "Missing key.*encoder.0.bias"),
        (lambda arrays: arrays | {"more": torch.zeros(1)}, "Unexpected key"),
        (lambda arrays: arrays | {"codebook": torch.zeros(3, WIDTH)}, r"a codebook of shape \(3, 4\), not \(16, 4\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(saved, change, message):
    _, folder = saved
    rewritten(folder, change(load_file(folder / TENSORS)))
    with pytest.raises(TokenizerError, match=message):
        quantizers.load_tokenizer(folder)


def test_damaged_arrays_are_refused(saved):
    _, folder = saved
    content = bytearray((folder / TENSORS).read_bytes())
    content[-3] ^= 1
    (folder / TENSORS).write_bytes(content)
    with pytest.raises(TokenizerError, match=r"is not the file that tokenizer\.json was written with"):
        quantizers.load_tokenizer(folder)


def test_a_folder_may_be_moved(saved, tmp_path):
    tokenizer, folder = saved
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert quantizers.load_tokenizer(str(tmp_path / "elsewhere")).num_codes == tokenizer.num_codes
