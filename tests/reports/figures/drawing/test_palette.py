import itertools

import numpy as np
import pytest

from reports.figures.drawing.palette import COLOURS, FAMILIES, INK, categorical, looks, rgb, sequential

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colours):
    shares = np.array([rgb(colour) for colour in colours]) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def luminance(colours):
    return linear(colours) @ [0.2126, 0.7152, 0.0722]


# Ottosson 2020, each matrix on linear RGB and on the cube roots of the cones, by rows.
CONES = [0.4122214708, 0.5363325363, 0.0514459929, 0.2119034982, 0.6806995451, 0.1073969566]
CONES += [0.0883024619, 0.2817188376, 0.6299787005]
LAB = [0.2104542553, 0.7936177850, -0.0040720468, 1.9779984951, -2.4285922050, 0.4505937099]
LAB += [0.0259040371, 0.7827717662, -0.8086757660]


def oklab(light):
    cones = np.clip(light, 0, 1) @ np.reshape(CONES, (3, 3)).T
    return np.cbrt(cones) @ np.reshape(LAB, (3, 3)).T


@pytest.mark.parametrize("ground", ["#ffffff", "#111111"])
def test_every_colour_reads_on_white_and_on_black(ground):
    pair = np.stack([luminance(COLOURS), np.full(len(COLOURS), luminance([ground])[0])])
    contrast = (pair.max(axis=0) + 0.05) / (pair.min(axis=0) + 0.05)
    assert contrast.min() >= 3.0  # WCAG 2.1, 1.4.11, for graphical objects


@pytest.mark.parametrize("sight", SIGHTS)
def test_families_can_be_told_apart(sight):
    seen = oklab(linear(COLOURS) @ np.array(SIGHTS[sight]).T)
    apart = [np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)]
    assert min(apart) > 0.11  # Okabe and Ito's with grey for black, which their seventh would be: 0.03


def test_white_has_the_coordinates_that_its_author_gives():
    assert oklab(np.ones(3)) == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)


def test_a_family_has_one_colour_and_marker_and_a_role_its_line():
    rows = {
        "vq": "family",
        "vq:x": "published",
        "vq+sorted": "control",
        "vq@64": "curve",
        "fsq": "family",
        "none": "reference",
    }
    families = {row: row[:2] if row.startswith("vq") else row for row in rows}
    styles = looks(families, rows)
    of_vq = [look for row, look in styles.items() if families[row] == "vq"]
    assert len({(look.colour, look.marker) for look in of_vq}) == 1
    assert len({look.line for look in of_vq}) == 4
    assert [look.filled for look in of_vq] == [True, False, False, True]
    assert styles["fsq"].colour != styles["vq"].colour
    assert styles["none"].colour == INK
    ours = looks({name: name for name in FAMILIES}, {})
    assert len({look.colour for look in ours.values()}) == len({look.marker for look in ours.values()}) == len(FAMILIES)


def test_families_of_plug_ins_differ_by_marker_and_do_not_move_ours():
    names = [f"own-{index}" for index in range(7)]
    styles = looks({name: name for name in ("vq", *names)}, {})
    assert styles["vq"] == looks({"vq": "vq"}, {})["vq"]
    assert len({(look.colour, look.marker) for look in styles.values()}) == 8
    assert len({styles[name].marker for name in names}) == 7


def test_a_plug_in_takes_no_colour_of_a_family_beside_it_while_others_are_free():
    ours = ("vq", "ksom", "som-vq", "fsq")
    styles = looks({name: name for name in (*ours, "a", "b", "c")}, {})
    assert len({look.colour for look in styles.values()}) == 7


def test_the_scale_gets_lighter_all_the_way_and_nothing_is_clear():
    colours = sequential(np.linspace(0, 1, 50))
    light = luminance(["#" + bytes(colour[:3].tolist()).hex() for colour in colours])
    assert (np.diff(light) > 0).all()
    assert (colours[:, 3] == 255).all()
    assert sequential([np.nan]).tolist()[0][3] == 0
    assert sequential([0.5], [0.2]).tolist()[0][3] == 51


def test_codes_share_the_colours_evenly_and_neighbours_differ():
    actual = categorical(np.arange(7_000))[:, :3]
    assert {tuple(colour) for colour in actual.tolist()} == {rgb(colour) for colour in COLOURS}
    _, counts = np.unique(actual, axis=0, return_counts=True)
    assert counts.min() > 950
    assert (actual[1:] != actual[:-1]).any(axis=1).all()
