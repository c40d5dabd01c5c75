"""Checks of the state of a quantizer."""

import torch
from torch import Tensor

from bench.testing.checks import expect, line, skip
from bench.testing.subject import BATCH, ROWS, Subject
from bench.training.autoencoder import Autoencoder
from bench.training.loop import train
from bench.training.schedule import Schedule

CLOSE = 1e-4  # of replicas trained alone and together, as the sum order of batched products differs


class StateChecks(Subject):
    """Parameters and buffers: the same for a seed, on every device, alone and among replicas, stored and loaded."""

    def test_the_same_seed_gives_the_same_state(self) -> None:
        """Bit for bit, so that a result can be made again."""
        states = []
        for extra in (1, 7, 31):  # each build finds the memory differently
            held = torch.zeros(3 * extra)
            quantizer = self.build()
            self.learn(quantizer)
            states.append(quantizer.state_dict() | {"": held[:0]})
        for state in states[1:]:
            for name, value in state.items():
                expect(
                    torch.equal(value, states[0][name]),
                    f"Expected the same {name} from the same seed and data, got another; draw nothing from time, "
                    "hashes or generators of your own.",
                )

    def test_no_random_numbers_are_drawn(self) -> None:
        """The order of jobs would decide results; rows of z come in random order instead."""
        quantizer = self.create()
        before = torch.random.get_rng_state()
        with torch.no_grad():
            quantizer.initialise(self.points(500, 0))
        drawn = ["initialise"] if not torch.equal(before, torch.random.get_rng_state()) else []
        before = torch.random.get_rng_state()
        self.learn(quantizer)
        quantizer.eval().encode(self.points(ROWS, 9))
        drawn += ["forward, encode or update"] if not torch.equal(before, torch.random.get_rng_state()) else []
        expect(
            not drawn,
            f"Expected no draws from torch's global generator, got some in {' and in '.join(drawn)}; take z[:n] for a "
            "random sample, as the rows of z come in random order, and draw in __init__ what is drawn once.",
        )

    def test_everything_moves_to_another_device(self) -> None:
        """The meta device stands for any other, which finds most of what stays behind without having one."""
        quantizer = self.build()
        for name, module in quantizer.named_modules():
            for key, value in vars(module).items():
                expect(
                    not isinstance(value, Tensor),
                    f"Expected every tensor to be a buffer or a parameter, got the plain attribute {key} of "
                    f"{name or 'the quantizer'}; write self.register_buffer({key!r}, ...), so that .to(device) moves "
                    "it.",
                )
        quantizer.to("meta")
        left = [name for name, value in quantizer.state_dict().items() if value.device.type != "meta"]
        expect(not left, f"Expected .to(device) to move everything, got {', '.join(left)} left behind.")
        if not quantizer.vectorised:
            return  # its Python may look at values, which meta tensors have not
        z = self.points(BATCH, 9).to("meta")
        try:
            codes = quantizer.train()(z).codes
            with torch.no_grad():
                quantizer.update(z, codes, torch.tensor(0.5, device="meta"))
            device = quantizer.eval()(z).quantized.device.type
        except (RuntimeError, NotImplementedError) as error:
            raise AssertionError(
                "Expected all work to happen on z's device and no Python to look at values, got "
                f"'{line(error)}'; make new tensors with z.new_zeros(...) or device=z.device."
            ) from error
        expect(device == "meta", f"Expected quantized on z's device, got it on {device}.")

    def test_it_encodes_and_decodes_in_double_precision(self) -> None:
        """Tensors that are not registered stay float32; `update` need not work in double precision."""
        quantizer = self.build().double()
        z = self.points(ROWS, 9).double()
        try:
            quantized = quantizer.train()(z).quantized
            decoded = quantizer.eval().decode(quantizer.encode(z))
        except RuntimeError as error:
            raise AssertionError(
                f"Expected float64 to work after .double(), got '{line(error)}'; make new tensors with "
                "z.new_zeros(...) or dtype=z.dtype."
            ) from error
        for name, value in (("quantized", quantized), ("decode(codes)", decoded)):
            expect(value.dtype == torch.float64, f"Expected {name} of float64 after .double(), got {value.dtype}.")

    def test_it_gives_the_same_codes_on_cuda(self) -> None:
        """Skipped where there is no CUDA device."""
        if not torch.cuda.is_available():
            skip("no CUDA device on this machine")
        quantizer = self.build().eval()
        z = self.points(ROWS, 9)
        here = quantizer.encode(z)
        differ = (quantizer.cuda().encode(z.cuda()).cpu() != here).float().mean()
        expect(float(differ) < 0.01, f"Expected the codes of the CPU on CUDA, got {float(differ):.1%} others.")

    def test_state_changes_in_place(self) -> None:
        """Stacked replicas and the optimiser hold the tensors themselves: one put in their place would be lost."""
        quantizer = self.create()
        before = dict(quantizer.named_parameters()) | dict(quantizer.named_buffers())
        with torch.no_grad():
            quantizer.initialise(self.points(500, 0))
        self.learn(quantizer)
        after = dict(quantizer.named_parameters()) | dict(quantizer.named_buffers())
        for name, value in after.items():
            expect(
                value is before.get(name),
                f"Expected {name} to be changed in place, got another tensor; write self.{name}.copy_(...) "
                f"instead of self.{name} = ...",
            )

    def test_replicas_agree(self) -> None:
        """Seeds trained as one batch under vmap give what each gives alone."""
        if not self.create().vectorised:
            skip("vectorised = False: seeds are trained one by one")
        together = [self._autoencoder(seed) for seed in range(3)]
        try:
            _train(together, [0, 1, 2])
        except (RuntimeError, ValueError) as error:
            raise AssertionError(
                f"Expected replicas to train under torch.func.vmap, got '{line(error)}'; write no `if`, .item() or "
                "boolean index on values of tensors (torch.where instead), change buffers with copy_, draw nothing; or "
                "set vectorised = False."
            ) from error
        for seed in (0, 2):
            alone = self._autoencoder(seed)
            _train([alone], [seed])
            for name, value in alone.state_dict().items():
                difference = float((value.double() - together[seed].state_dict()[name].double()).abs().max())
                expect(
                    difference <= CLOSE,
                    f"Expected {name} of a seed to be the same alone and among three (to {CLOSE:g}), got a difference "
                    f"of {difference:.3g}; change buffers with copy_, keep no Python state between steps, or set "
                    "vectorised = False.",
                )

    def test_saving_and_loading_keeps_codes_and_learning(self) -> None:
        """A run stores state_dict as safetensors and goes on from there."""
        from safetensors.torch import load, save

        first = self.build()
        self.learn(first)
        state = first.state_dict()
        try:
            stored = load(save({name: value.contiguous() for name, value in state.items()}))
        except (RuntimeError, ValueError, AttributeError) as error:
            raise AssertionError(
                f"Expected state_dict to be tensors that share no memory, got '{line(error)}'; register a .clone()."
            ) from error
        second = self.create(seed=1)
        second.load_state_dict(stored)
        z = self.points(ROWS, 9)
        same = torch.equal(first.eval().encode(z), second.eval().encode(z))
        advice = "register every tensor that learns as a buffer or parameter."
        expect(same, f"Expected the same codes after load_state_dict, got others; {advice}")
        self.learn(first, seed=50)
        self.learn(second, seed=50)
        for name, value in first.state_dict().items():
            expect(
                torch.equal(value, second.state_dict()[name]),
                f"Expected {name} to go on learning the same after load_state_dict, got another value; {advice}",
            )

    def _autoencoder(self, seed: int) -> Autoencoder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Autoencoder(self.create(seed), 12)


def _train(models: list[Autoencoder], seeds: list[int]) -> None:
    width = models[0].quantizer.code_dim
    generators = [torch.Generator().manual_seed(1_000 + seed) for seed in seeds]
    frames = [torch.randn(4 * BATCH, width, generator=generator) for generator in generators]
    train(
        models,
        frames,
        [split_frames[:BATCH] for split_frames in frames],
        seeds,
        Schedule(warm_up_epochs=1, epochs=3, batch=BATCH, learning_rate=1e-3),
    )
