"""Every code that archc can print: its title and severity. Each has a page in `docs/errors/`."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Code(NamedTuple):
    title: str
    severity: Literal["error", "warning", "note"] = "error"


CODES: dict[str, Code] = {
    # E01: syntax
    "E0101": Code("unexpected text"),
    "E0102": Code("a bracket that is not closed, or closes nothing"),
    "E0103": Code("a character that the language does not use"),
    "E0104": Code("a string that does not end on its line"),
    "E0105": Code("nesting that is too deep"),
    "E0106": Code("a number that cannot be read"),
    "E0107": Code("an empty file"),
    "E0108": Code("an unlabelled group"),
    # E02: names
    "E0201": Code("unknown name"),
    "E0202": Code("unknown operator or block"),
    "E0203": Code("name declared twice"),
    "E0204": Code("label used twice"),
    "E0205": Code("used before it has a value"),
    "E0206": Code("a name that cannot be used"),
    "E0207": Code("unknown network"),
    "E0208": Code("unknown label"),
    # E03: arguments
    "E0301": Code("unknown parameter"),
    "E0302": Code("missing argument"),
    "E0303": Code("too many arguments"),
    "E0304": Code("argument of the wrong type"),
    "E0305": Code("argument out of range"),
    "E0306": Code("argument given twice"),
    "E0307": Code("a fraction where a count is due"),
    "E0308": Code("operand of the wrong type"),
    "E0309": Code("index out of range"),
    "E0310": Code("arithmetic that has no result"),
    "E0311": Code("unequal lengths"),
    "E0312": Code("arguments that contradict each other"),
    # E04: shapes
    "E0401": Code("fuse of unequal shapes"),
    "E0402": Code("wrong number of axes"),
    "E0403": Code("window larger than its padded input"),
    "E0404": Code("channels that do not divide"),
    "E0405": Code("pattern that does not match"),
    "E0406": Code("one module, two weight shapes"),
    "E0407": Code("unpool without its max pool"),
    "E0408": Code("size that does not fit"),
    "E0409": Code("requirement not met"),
    "E0410": Code("structure that depends on a free size"),
    "E0411": Code("a where that allows what cannot be"),
    # E05: graph
    "E0501": Code("dropped layers"),
    "E0502": Code("no output"),
    "E0503": Code("no input"),
    "E0504": Code("unused input"),
    "E0505": Code("wrong number of inputs"),
    "E0506": Code("a list where one value is due, or the reverse"),
    "E0507": Code("stage that applies to no value"),
    "E0508": Code("statement out of place"),
    # E06: claims
    "E0601": Code("claim that does not hold"),
    "E0602": Code("claim that cannot be evaluated"),
    # E07: files and limits
    "E0701": Code("file that cannot be read"),
    "E0702": Code("file outside the project"),
    "E0703": Code("files that use each other in a circle"),
    "E0704": Code("too many nodes"),
    "E0705": Code("calls nested too deeply"),
    "E0706": Code("file too large"),
    "E0707": Code("text that is not UTF-8"),
    "E0708": Code("file that cannot be written"),
    # E08: training
    "E0801": Code("unknown recipe setting"),
    "E0802": Code("recipe setting with a wrong value"),
    "E0803": Code("no recipe"),
    "E0804": Code("data that cannot be found"),
    "E0805": Code("data that cannot be read"),
    "E0806": Code("data that does not fit the network"),
    "E0807": Code("loss that is not a number"),
    "E0808": Code("checkpoint that cannot be used"),
    "E0809": Code("an extra that is not installed"),
    "E0810": Code("device that is not there"),
    "E0811": Code("not enough memory"),
    "E0812": Code("run that cannot be resumed"),
    "E0813": Code("processes that cannot reach each other"),
    # E09: emission
    "E0901": Code("node that cannot be emitted"),
    "E0902": Code("a network that cannot be exported"),
    "E0903": Code("an export that computes something else"),
    "E0905": Code("a diagram that cannot be drawn"),
    # E10: explanations
    "E1001": Code("a unit that cannot be worked out"),
    "E1002": Code("no claim on this line"),
    # W1: lints
    "W100": Code("an allow that silences nothing", "warning"),
    "W101": Code("a border that no window reaches", "warning"),
    "W102": Code("a bias before batchnorm", "warning"),
    "W103": Code("a transposed convolution that overlaps unevenly", "warning"),
    "W104": Code("stacked dilations that read a grid", "warning"),
    "W105": Code("branches that look at different places", "warning"),
    "W106": Code("a classifier that sees only a part of the image", "warning"),
    "W107": Code("linear layers with nothing nonlinear between", "warning"),
    "W108": Code("softmax before cross_entropy", "warning"),
    "W109": Code("dropout before batchnorm", "warning"),
    "W110": Code("a declaration that is not used", "warning"),
    "W111": Code("a kernel over one place", "warning"),
    "W112": Code("a linear layer that holds most of the parameters", "note"),
    "W113": Code("channels that fill no whole blocks of tensor cores", "note"),
    "W120": Code("a where stricter than it must be", "note"),
}
