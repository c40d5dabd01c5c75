import pytest
import torch

from bench.metrics.readers.gru import GRUReader
from bench.metrics.readers.on_cpu import SideBySide, losses


def readers(num_codes, seed=0):
    return [GRUReader(num_codes, torch.Generator().manual_seed(seed)) for _ in range(2)]


def fast_loss(reader, tokens, targets):
    return losses([reader], tokens[None], targets[None])[0]


def batch(num_codes, sequences, time, seed=1):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(num_codes, (sequences, time + 1), generator=generator)
    return tokens[:, :-1], tokens[:, 1:]


@pytest.mark.parametrize(("num_codes", "sequences", "time"), [(5, 1, 1), (32, 7, 40), (300, 64, 33)])
def test_loss_and_gradients_equal_the_plain_formula(num_codes, sequences, time):
    fast, plain = readers(num_codes)
    tokens, targets = batch(num_codes, sequences, time)
    actual = fast_loss(fast, tokens, targets), plain.plain_loss(tokens, targets)
    assert actual[0].item() == pytest.approx(actual[1].item(), abs=1e-5)
    for loss in actual:
        (3.0 * loss).backward()
    for (name, ours), theirs in zip(fast.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-4, msg=name)


def test_gradients_equal_the_plain_formula_in_double():
    fast, plain = (reader.double() for reader in readers(9))
    tokens, targets = batch(9, 3, 6)
    fast_loss(fast, tokens, targets).backward()
    plain.plain_loss(tokens, targets).backward()
    for ours, theirs in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-13, rtol=1e-10)


def test_twenty_training_steps_equal_the_plain_formula():
    fast, plain = readers(32)
    for reader, loss in ((fast, fast_loss), (plain, GRUReader.plain_loss)):
        optimiser = torch.optim.SGD(reader.parameters(), lr=0.5, momentum=0.9)
        for step in range(20):
            optimiser.zero_grad()
            loss(reader, *batch(32, 16, 30, seed=step)).backward()
            optimiser.step()
    for ours, theirs in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


def test_evaluation_equals_the_plain_formula():
    reader = readers(300)[0]
    tokens, targets = batch(300, 70, 30)
    sequences = torch.cat([tokens, targets[:, -1:]], dim=1)
    with torch.no_grad():
        assert SideBySide([reader]).cross_entropies(sequences[None], [0])[0] == pytest.approx(
            reader.plain_loss(tokens, targets).item(), abs=1e-5
        )


def test_certain_mistakes_cost_finitely_with_exact_gradients():
    fast, plain = readers(4)
    for reader in (fast, plain):
        with torch.no_grad():
            reader.output.bias[0] = 500.0
    tokens, targets = torch.tensor([[1, 2]]), torch.tensor([[2, 1]])
    loss = fast_loss(fast, tokens, targets)
    assert torch.isfinite(loss)
    loss.backward()
    plain.plain_loss(tokens, targets).backward()
    torch.testing.assert_close(fast.output.bias.grad, plain.output.bias.grad)


def test_another_embedding_is_trained_through_the_table():
    tokens, targets = batch(6, 4, 10)
    gradients = []
    for loss in (fast_loss, GRUReader.plain_loss):
        generator = torch.Generator().manual_seed(0)
        linear = torch.nn.Linear(3, 64)
        with torch.no_grad():
            linear.weight.normal_(generator=generator)
            linear.bias.zero_()
        vectors = torch.nn.Embedding(6, 3, _freeze=True, _weight=torch.randn(6, 3, generator=generator))
        reader = GRUReader(6, generator, torch.nn.Sequential(vectors, linear))
        loss(reader, tokens, targets).backward()
        gradients.append(linear.weight.grad)
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-4)


def test_readers_side_by_side_are_readers_alone():
    together = [GRUReader(9, torch.Generator().manual_seed(seed)).double() for seed in range(3)]
    alone = [GRUReader(9, torch.Generator().manual_seed(seed)).double() for seed in range(3)]
    batches = [batch(9, 5, 7, seed=seed) for seed in range(3)]  # each reads tokens of its own
    tokens, targets = (torch.stack(part) for part in zip(*batches, strict=True))
    weights = torch.tensor([1.0, -2.0, 0.5])
    actual = losses(together, tokens, targets)
    (weights * actual).sum().backward()
    for index, reader in enumerate(alone):
        loss = reader.plain_loss(*batches[index])
        (weights[index] * loss).backward()
        assert actual[index].item() == pytest.approx(loss.item(), abs=1e-12)
        for ours, theirs in zip(together[index].parameters(), reader.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-13, rtol=1e-10)
    sequences = torch.cat([tokens, targets[..., -1:]], dim=2)
    expected = [alone[index].plain_loss(*batches[index]).item() for index in (2, 0)]
    assert SideBySide(together).cross_entropies(sequences, [2, 0]) == pytest.approx(expected, abs=1e-12)
