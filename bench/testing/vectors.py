"""Checks of the values that a quantizer returns."""

import copy
import inspect

import torch

from bench.testing.checks import expect, expect_tensor, share, skip
from bench.testing.subject import BATCH, ROWS, Subject


class VectorChecks(Subject):
    """Vectors, codes, loss and codebook."""

    def test_shapes_and_types(self) -> None:
        """One row in, one vector and one code out, for a batch of any size."""
        quantizer = self.build()
        count = len(quantizer.code_sizes)
        indices = (count,) if count > 1 else ()
        for training in (True, False):
            quantizer.train(training)
            for rows in (1, 7, ROWS):
                quantized, codes, loss = quantizer(self.points(rows, 9))
                expect_tensor("quantized", quantized, (rows, self.code_dim), torch.float32)
                expect_tensor("codes", codes, (rows, *indices), torch.int64)
                expect_tensor("loss", loss, (), torch.float32)
                expect_tensor("encode(z)", quantizer.encode(self.points(rows, 9)), (rows, *indices), torch.int64)
        codes = torch.zeros(3, 4, *indices, dtype=torch.int64)
        name, shape = f"(codes of shape {tuple(codes.shape)})", (3, 4, self.code_dim)
        expect_tensor(f"decode{name}", quantizer.decode(codes), shape, torch.float32)
        if indices:
            shape = (3, 4, quantizer.latents(self.points(7, 9)).shape[1])
            expect_tensor(f"latent_vectors{name}", quantizer.latent_vectors(codes), shape, torch.float32)
            return
        size = (quantizer.num_codes, self.code_dim)
        expect_tensor("codebook", quantizer.codebook, size, torch.float32)
        latents, latent_codebook = quantizer.latents(self.points(7, 9)), quantizer.latent_codebook
        expect_tensor("latents(z)", latents, (7, latent_codebook.shape[1]), torch.float32)
        expect_tensor("latent_codebook", latent_codebook, (size[0], latents.shape[1]), torch.float32)

    def test_codes_are_in_range(self) -> None:
        """0 <= code < K, whatever is encoded; of several indices each below its size."""
        quantizer = self.build()
        self.learn(quantizer)
        for scale in (0.0, 1.0, 1e4):
            z = self.points(ROWS, 9) * scale
            for way, codes in (("forward", quantizer.train()(z).codes), ("encode", quantizer.eval().encode(z))):
                for index, size in zip(codes.reshape(ROWS, -1).unbind(1), quantizer.code_sizes, strict=True):
                    low, high = int(index.min()), int(index.max())
                    expect(
                        low >= 0 and high < size,
                        f"Expected codes in 0..{size - 1}, got {low}..{high} from {way}; num_codes, "
                        "which is passed to super().__init__, must be what the codebook really holds.",
                    )

    def test_decoding_codes_gives_the_quantized_vectors_bit_for_bit(self) -> None:
        """A token is all that is kept: in eval decode(encode(z)) is forward(z).quantized."""
        quantizer = self.build()
        self.learn(quantizer)
        quantizer.eval()
        z = self.points(ROWS, 9)
        with torch.no_grad():
            quantized, codes, _ = quantizer(z)
            encoded = quantizer.encode(z)
            expect(
                torch.equal(encoded, codes),
                f"Expected encode(z) to give the codes of forward(z), got {share(encoded != codes)} others; let "
                "forward call self.encode(z).",
            )
            ways = {"decode(codes)": quantizer.decode(codes)}
            if len(quantizer.code_sizes) == 1:
                ways["codebook"] = quantizer.codebook[codes]
            for name, vectors in ways.items():
                expect(
                    torch.equal(vectors, quantized),
                    f"Expected quantized to be {name} bit for bit in eval, got differences up to "
                    f"{float((vectors - quantized).abs().max()):.3g}; where not self.training return the code vectors "
                    "themselves, not z + (vectors - z).detach().",
                )

    def test_the_value_in_training_is_the_code_vector(self) -> None:
        """Straight through: the decoder is trained on what it will be given."""
        quantizer = self.build().train()
        before = copy.deepcopy(quantizer)
        quantized, codes, _ = quantizer(self.points(ROWS, 9).requires_grad_())
        vectors = before.decode(codes).detach()
        error = float((quantized.detach() - vectors).abs().max())
        expect(
            error <= 1e-4 * float(1 + vectors.abs().max()),
            f"Expected quantized in training to have the value of the code vectors, got differences up to {error:.3g}; "
            "return z + (vectors - z).detach(), with the vectors of before this step's update.",
        )

    def test_the_gradient_reaches_z(self) -> None:
        """Without it the encoder learns nothing from the reconstruction, unless z is decoded as well."""
        quantizer = self.build().train()
        if quantizer.decodes_latents:
            return
        z = self.points(ROWS, 9).requires_grad_()
        quantized = quantizer(z).quantized
        gradient = torch.autograd.grad(quantized.sum(), z, allow_unused=True)[0] if quantized.requires_grad else None
        what = "no gradient" if gradient is None else f"one of {float(gradient.abs().sum()):.3g} in all"
        expect(
            gradient is not None and bool(gradient.isfinite().all()) and float(gradient.abs().sum()) > 0,
            f"Expected a finite gradient of quantized by z in training, got {what}; return z + (vectors - z).detach() "
            "where self.training, or set decodes_latents = True.",
        )

    def test_the_loss_is_finite(self) -> None:
        """For any batch, and after learning from rows that are all alike."""
        quantizer = self.build()
        self.learn(quantizer, 20)
        same = torch.ones(BATCH, self.code_dim)
        with torch.no_grad():
            for step in range(20):
                quantizer.update(same, quantizer.train()(same).codes, torch.tensor(step / 20))
        for name, value in quantizer.state_dict().items():
            expect(
                bool(value.isfinite().all()),
                f"Expected {name} to stay finite, got {share(~value.isfinite())} that is not after batches of equal "
                "rows; keep divisors (counts of codes that nothing hits) above 0.",
            )
        for scale in (0.0, 1.0, 1e3):
            quantized, _, loss = quantizer(self.points(ROWS, 9) * scale)
            expect(
                bool(loss.isfinite()) and bool(quantized.isfinite().all()),
                f"Expected a finite loss and finite vectors, got loss {float(loss.detach()):.3g} for z of scale "
                f"{scale:g}; look for a division by 0 or a root of it.",
            )

    def test_few_rows_are_enough_to_start(self) -> None:
        """There may be more codes than training frames."""
        for rows in (1, 5, self.num_codes - 1):
            quantizer = self.build(rows=rows)
            vectors = (
                quantizer.codebook
                if len(quantizer.code_sizes) == 1
                else quantizer.decode(quantizer.encode(self.points(ROWS, 9)))
            )
            expect(
                bool(vectors.isfinite().all()),
                f"Expected a finite codebook after initialise(z) with {rows} rows for {quantizer.num_codes} codes; "
                "repeat rows: z[torch.arange(num_codes) % len(z)].",
            )

    def test_the_codebook_can_be_set(self) -> None:
        """So that a trained codebook can be put in and one step be checked by hand."""
        attribute = inspect.getattr_static(type(self.create()), "codebook")
        if isinstance(attribute, property) and attribute.fset is None:
            skip("the codebook has no setter; one that is learned as vectors should have one")
        quantizer = self.build()
        wanted = self.points(quantizer.num_codes, 4)
        quantizer.codebook = wanted  # type: ignore[misc]
        expect(
            torch.equal(quantizer.codebook, wanted),
            "Expected the codebook to read as it was set, got other values; copy_ them into the stored vectors.",
        )
        try:
            quantizer.codebook = wanted[1:]  # type: ignore[misc]
        except (ValueError, RuntimeError):
            return
        raise AssertionError("Expected a codebook of another shape to be refused, got no error; raise ValueError.")

    def test_positions_are_places_on_a_lattice(self) -> None:
        """Every code at a place of its own, counted from 0; or None."""
        quantizer = self.build()
        positions = quantizer.positions
        if positions is None:
            skip("positions is None: an unordered codebook")
        expect(
            positions.dtype == torch.int64 and positions.dim() == 2 and len(positions) == quantizer.num_codes,
            f"Expected positions of shape ({quantizer.num_codes}, g) and int64, got {tuple(positions.shape)} and "
            f"{positions.dtype}; pass them to super().__init__.",
        )
        places = len({tuple(place) for place in positions.tolist()})
        expect(
            places == len(positions),
            f"Expected every code at a place of its own, got {places} places for {len(positions)} codes.",
        )
        expect(int(positions.min()) == 0, f"Expected positions counted from 0, got {int(positions.min())}.")
