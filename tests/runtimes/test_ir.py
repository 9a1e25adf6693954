"""Of the text of an OpenVINO model only that reaches OpenVINO which was looked at."""

from collections.abc import Callable

import pytest

from pipeline.runtimes import ir

WEIGHTS = 24
TEXT = """<?xml version="1.0"?>
<net name="step" version="11">
    <layers>
        <layer id="0" name="keep" type="Parameter" version="opset1">
            <data shape="8,8" element_type="f32" />
            <output><port id="0" precision="FP32" names="keep"><dim>8</dim><dim>8</dim></port></output>
        </layer>
        <layer id="1" name="shape" type="Const" version="opset1">
            <data element_type="i64" shape="3" offset="0" size="24" />
            <output><port id="0" precision="I64"><dim>3</dim></port></output>
        </layer>
        <layer id="2" name="y" type="Reshape" version="opset1">
            <data special_zero="true" />
            <input>
                <port id="0"><dim>8</dim><dim>8</dim></port>
                <port id="1"><dim>3</dim></port>
            </input>
            <output><port id="2" precision="FP32"><dim>4</dim><dim>4</dim><dim>4</dim></port></output>
        </layer>
    </layers>
    <edges>
        <edge from-layer="0" from-port="0" to-layer="2" to-port="0" />
        <edge from-layer="1" from-port="0" to-layer="2" to-port="1" />
    </edges>
    <rt_info><Runtime_version value="1" /></rt_info>
</net>
"""


def test_a_sound_text_is_written_anew_without_what_the_converter_said_of_itself() -> None:
    found = ir.checked(TEXT.encode(), WEIGHTS)
    assert b"rt_info" not in found
    assert ir.checked(found, WEIGHTS) == found


def instead(old: str, new: str) -> Callable[[], bytes]:
    def changed() -> bytes:
        assert old in TEXT
        return TEXT.replace(old, new).encode()

    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (instead("<net name", '<!DOCTYPE net [<!ENTITY a "b">]><net name'), "others than those of a network"),
        (instead("<layers>", "<!-- x --><layers>"), "others than those of a network"),
        (instead("<edges>", "<edges>" + "<edge />" * 100_000), "more than 100000 tags"),
        (instead("</net>", " " * (4 << 20) + "</net>"), "bytes, expected at most"),
        (lambda: TEXT.encode("utf-16"), "no XML"),
        (instead("</net>", ""), "no XML"),
        (instead('version="11"', 'version="10"'), "no network of version 11"),
        (instead("<rt_info>", "<pre-process /><rt_info>"), "layers and edges alone"),
        (instead("<rt_info>", "<layers /><rt_info>"), "layers and edges alone"),
        (instead('"Reshape"', '"Loop"'), "the operator 'Loop'"),
        (instead('"Reshape" version="opset1"', '"Reshape" version="extension"'), "the operator 'Reshape'"),
        (instead('zero="true" />', 'zero="true"><body /></data>'), "parts of Reshape"),
        (instead('zero="true" />', 'zero="true" /><body />'), "parts of Reshape"),
        (instead("<dim>4</dim></port>", "<body /></port>"), "parts of Reshape"),
        (instead('"0" to-layer="2" to-port="1"', '"0" to-layer="2" to-port="0"'), "'edge' twice"),
        (instead('from-layer="1"', 'from-layer="2"'), "before what it reads"),
        (instead('from-layer="1"', 'from-layer="0"'), "Reshape of a computed shape"),
        (instead('id="1" name', 'id="0" name'), "or twice"),
        (instead('size="24"', 'size="16"'), "a constant of 3 i64 in 16 bytes"),
        (instead('offset="0"', 'offset="8"'), "at 8 of 24"),
        (instead('offset="0"', 'offset="18446744073709551608"'), "whole numbers"),
        (instead('offset="0"', 'offset="-8"'), "whole numbers"),
        (instead('element_type="i64"', 'element_type="string"'), "a constant of 'string'"),
        (instead('"i64" shape="3"', '"u8" shape="24"'), "Reshape of a computed shape"),
    ],
)  # fmt: skip
def test_a_text_that_could_say_more_is_refused(change: Callable[[], bytes], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        ir.checked(change(), WEIGHTS)
    assert "\n" not in str(caught.value)


def test_more_operators_than_a_step_has_are_refused() -> None:
    data = '<data element_type="u8" shape="" offset="0" size="1" />'
    layer = '<layer id="{}" type="Const" version="opset1">' + data + "</layer>"
    layers = "".join(layer.format(number) for number in range(3, 2003))
    with pytest.raises(ValueError, match="found 2003 operators, expected at most 2000"):
        ir.checked(TEXT.replace("</layers>", f"{layers}</layers>").encode(), WEIGHTS)
