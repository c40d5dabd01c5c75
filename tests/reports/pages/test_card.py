from reports.pages.card import card

CELL = {
    "row": "som<b>",
    "quantizer": "som-vq",
    "parameters": {"rate": 0.05, "sigma": 1.0},
    "dataset": "aist-standin",
    "seed": 4,
    "protocol": {"name": "quick", "purpose": "in minutes"},
    "capacity": {"bits_per_token": 8.0, "network_parameters": 12_345, "hidden": 256},
}
DATASET = {
    "source": "generated | here",
    "licence": "",
    "frame": "x, y, z",
    "unit": "cm",
    "real": False,
    "facts": {"window": 240, "sha_256": "abc"},
}
METRICS = [{"name": "mse", "summary": "mean"}, {"name": "error_units", "summary": "far"}, {"name": "x", "summary": ""}]


def made(**dataset):
    return card(
        tokenizer={"features": 51, "code_sizes": (256,)},
        cell=CELL,
        metrics=METRICS,
        record={
            "metrics": {"mse": 0.25, "error_units": 1.5, "x": None},
            "train_seconds": 2.5,
            "device": "cpu",
            "key": "k" * 64,
        },
        dataset=DATASET | dataset,
        environment={"python": "3.11", "packages": {"torch": "2"}},
    )


def test_it_says_what_the_tokenizer_is_and_how_to_load_it():
    text = made()
    assert text.startswith("# som&lt;b&gt; on aist-standin: a tokenizer of 256 codes\n")
    assert "(8 bits)" in text
    assert "tokenizer = quantizers.load_tokenizer" in text
    assert "(T, 51) or (n, T, 51)" in text
    assert "0 to 255" in text
    assert "rate 0.05 and sigma 1.0; 12,345 network parameters" in text
    assert "- window: 240\n- sha\\_256: abc" in text
    assert "- python: 3.11" in text
    assert "packages" not in text


def test_it_gives_the_values_that_there_are_with_their_unit():
    text = made()
    assert "0.250" in text
    assert "1.50 cm" in text
    assert "`x`" not in text
    assert "one seed has no interval" in text


def test_it_never_passes_a_stand_in_off_as_real_nor_a_licence_as_known():
    assert "**`aist-standin` is generated stand-in data" in made()
    assert "stand-in data" not in made(real=True)
    assert "generated \\| here. Licence: not known; ask whoever owns the data." in made()
    assert "Licence: CC BY 4.0." in made(licence="CC BY 4.0")
