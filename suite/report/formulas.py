r"""Formulas of losses, typeset: as LaTeX for papers, as MathML for web pages.

A loss declares its formula in plain text (``formula``), beside the code. Here stands the same in LaTeX for the losses that
come with the suite, as close to the text as typesetting allows, one string a line. Any other loss may set parts of its text
between dollars: those are LaTeX. Text without dollars is shown as it is.

Browsers draw MathML themselves, so a page needs no script and no font.
"""

import re
from html import escape, unescape
from xml.etree import ElementTree as ET

from latex2mathml.converter import convert_to_element
from markupsafe import Markup

from suite.losses.registry import BUILT_IN

FORMULAS: dict[str, tuple[str, ...]] = {
    "pfml": (
        r"U = \sum_i \Psi_{y_i}(z_i) + \sum_{j,k} \Psi_j(p_{j,k}) - \mathrm{floor}",
        r"\psi_{\mathrm{att}}(d) = -\max(d, \delta)^{-\alpha}, \qquad \psi_{\mathrm{rep}}(d) = \min(d, \delta)^{-\alpha}",
    ),
    "cpml": (
        r"U = \sum_i \Psi_{y_i}(z_i) + \sum_{j,k} \Psi_j(p_{j,k})",
        r"\psi_{\mathrm{att}}(d) = d^2, \qquad \psi_{\mathrm{rep}}(d) = \max(0, \mathrm{margin} - d)^2",
    ),
    "pfml_constant_force": (
        r"U = \sum_i \Psi_{y_i}(z_i) + \sum_{j,k} \Psi_j(p_{j,k}) - \mathrm{floor}",
        r"\psi_{\mathrm{att}}(d) = \max(d, \delta)^{p}, \qquad \psi_{\mathrm{rep}}(d) = -\min(d, \delta)^{p}, \qquad p = 1",
    ),
    "pfml_growing_force": (
        r"U = \sum_i \Psi_{y_i}(z_i) + \sum_{j,k} \Psi_j(p_{j,k}) - \mathrm{floor}",
        r"\psi_{\mathrm{att}}(d) = \max(d, \delta)^{2}, \qquad \psi_{\mathrm{rep}}(d) = -\min(d, \delta)^{2}",
    ),
    "pfml_two_radii": (
        r"U = \sum_i \Psi_{y_i}(z_i) + \sum_{j,k} \Psi_j(p_{j,k}) - \mathrm{floor}",
        (
            r"\psi_{\mathrm{att}}(d) = -\max(d, \delta)^{-\alpha}, \qquad "
            r"\psi_{\mathrm{rep}}(d) = \min(d, \delta_{\mathrm{rep}})^{-\alpha}"
        ),
    ),
    "proxy_anchor": (
        r"\operatorname{mean}_{p \in P^+} \log\Bigl(1 + \sum_{x \in X_p^+} e^{-\alpha (s(x, p) - \mathrm{margin})}\Bigr)",
        r"{} + \operatorname{mean}_{p \in P} \log\Bigl(1 + \sum_{x \in X_p^-} e^{\alpha (s(x, p) + \mathrm{margin})}\Bigr)",
    ),
    "triplet": (
        r"\operatorname{mean} \text{ over semi-hard triplets of}",
        r"\max\bigl(0, |a - p|^2 - |a - n|^2 + \mathrm{margin}\bigr)",
    ),
    "multi_similarity": (
        r"\operatorname{mean}_i \frac{1}{\alpha} \log\Bigl(1 + \sum_{k \in P_i} e^{-\alpha (s_{ik} - \mathrm{base})}\Bigr)",
        r"{} + \frac{1}{\beta} \log\Bigl(1 + \sum_{k \in N_i} e^{\beta (s_{ik} - \mathrm{base})}\Bigr)",
    ),
    "soft_triple": (
        (
            r"\operatorname{mean} -\log \operatorname{softmax}_y\bigl(\mathrm{la} (S_c - \mathrm{margin} [c = y])\bigr)"
            r" + \tau \operatorname{mean} \tfrac{1}{2} |p_k - p_l|"
        ),
        r"S_c = \sum_k \operatorname{softmax}_k\bigl(s(x, p_{ck}) / \gamma\bigr)\, s(x, p_{ck})",
    ),
    "proxy_nca_pp": (
        (
            r"\operatorname{mean} -\log \operatorname{softmax}_y\bigl(-|x - p|^2 / \mathrm{temperature}\bigr)"
            r" \quad \text{over all proxies } p"
        ),
    ),
    "hist": (
        (
            r"\operatorname{mean} -\log \operatorname{softmax}_y(-\tau d)"
            r" + \lambda_s \operatorname{mean} -\log \operatorname{softmax}_y\bigl(\mathrm{HGNN}(x, H)\bigr)"
        ),
        r"d = (x - \mu)^{\top} Q^{-1} (x - \mu), \qquad H = 1 \text{ for own images, else } e^{-\alpha d}",
    ),
    "prism": (
        (
            r"\text{contrastive with memory over samples with } P > \text{mean of the } \mathrm{noise\_rate}"
            r"\text{ quantiles of the last batches}"
        ),
        r"P = \operatorname{softmax}_k\bigl(\operatorname{mean}_{v \in M_k} s(z, v)\bigr) \text{ at } k = y",
    ),
    "sub_center_arcface": (
        r"\operatorname{mean} -\log \operatorname{softmax}_y(\mathrm{scale}\, S), \qquad S_c = \max_k s(z, p_{ck})",
        r"\text{with } \cos(\arccos S_y + \mathrm{margin}) \text{ in place of } S_y",
    ),
    "smooth_ap": (
        (
            r"\operatorname{mean}_q 1 - \operatorname{mean}_{i \in P}"
            r" \frac{1 + \sum_{j \in P} G(s_{qj} - s_{qi})}{1 + \sum_j G(s_{qj} - s_{qi})}"
        ),
        r"G(x) = \operatorname{sigmoid}(x / \mathrm{temperature})",
    ),
    "recall_at_k": (
        (
            r"\operatorname{mean}_q 1 - \operatorname{mean}_k"
            r" \frac{1}{n_k} \min\Bigl(n_k, \sum_{x \in P}"
            r" \operatorname{sigmoid}\bigl((k - r_x) / (k \, \mathrm{rank\_temperature})\bigr)\Bigr)"
        ),
        r"n_k = \min(k, |P|)",
        r"r_x = 1 + \sum_z \operatorname{sigmoid}\bigl((s_{qz} - s_{qx}) / \mathrm{temperature}\bigr)",
    ),
    "supcon": (
        (
            r"\operatorname{mean}_i -\operatorname{mean}_{p \in P(i)}"
            r" \log \operatorname{softmax}_{a \neq i}(s_{ia} / \mathrm{temperature}) \text{ at } a = p"
        ),
    ),
    "circle": (
        (
            r"\operatorname{mean}_i \log\Bigl(1 + \sum_{N(i)} e^{\gamma [s + m]_+ (s - m)}"
            r" \sum_{P(i)} e^{-\gamma [1 + m - s]_+ (s - 1 + m)}\Bigr)"
        ),
    ),
    "normalized_softmax": (
        r"\operatorname{mean}_i -\log \operatorname{softmax}_c(s(z_i, p_c) / \mathrm{temperature}) \text{ at } c = y_i",
    ),
    "cross_batch_memory": (
        r"\operatorname{mean}_P \max(0, 1 - s) + \operatorname{mean}_N \max(0, s - \mathrm{margin})",
        r"\text{over pairs of the batch with the last } \mathrm{memory\_size} \text{ embeddings}",
    ),
    "super_loss": (
        r"\operatorname{mean}_i (l_i - \tau) \sigma_i + \lambda (\log \sigma_i)^2",
        (
            r"\sigma_i = \exp\bigl(-W(\tfrac{1}{2} \max(-2 / e, (l_i - \tau) / \lambda))\bigr),"
            r" \qquad l_i = -\log \operatorname{softmax}_y\bigl(s(z_i, p) / \mathrm{temperature}\bigr)"
        ),
    ),
    "smooth_proxy_anchor": (
        r"\operatorname{mean}_{p \in P^+} \log\Bigl(1 + \sum_{x \in X_p^+} w e^{-\alpha (s(x, p) - \mathrm{margin})}\Bigr)",
        (
            r"{} + \operatorname{mean}_{p \in P} \log\Bigl("
            r"1 + \sum_{x \in X_p^-} (1 - w) e^{\alpha (s(x, p) + \mathrm{margin})}\Bigr) + \mathrm{BCE}(c)"
        ),
        r"w = \operatorname{sigmoid}\bigl(\mathrm{sharpness} (c - \mathrm{position})\bigr)",
        r"\text{first both weights are 1, then } c \text{ is held and BCE left out}",
    ),
}
"""Lines of LaTeX by name of the loss; each is set in display style."""
_DOLLARS = re.compile(r"\$([^$]+)\$")
_ATTRIBUTES = frozenset(
    {
        *("accent", "columnalign", "columnspacing", "depth", "display", "displaystyle", "fence", "form", "height"),
        *("linethickness", "lspace", "mathvariant", "maxsize", "minsize", "movablelimits", "rowspacing", "rspace"),
        *("scriptlevel", "separator", "stretchy", "width", "xmlns"),
    }
)
"""What MathML may say here: nothing that links, loads or runs."""


def typeset(target: str | None, formula: str | None) -> Markup | None:
    """The formula of a loss as HTML with MathML; None where nothing of it is typeset, or its LaTeX is not understood.

    Args:
        target: ``module:Class`` of the loss; None if it is not known.
        formula: what the loss declares; None if it declares none.
    """
    if formula is None:
        return None
    try:
        if lines := lines_of(target):
            return Markup("\n").join(mathml(line, display=True) for line in lines)
        if not _DOLLARS.search(formula):
            return None
        parts = _DOLLARS.split(formula)  # text and LaTeX in turn
        return Markup("").join(mathml(part) if n % 2 else Markup(escape(part)) for n, part in enumerate(parts))  # noqa: S704
    except Exception:  # LaTeX of a stranger; the library raises errors of many kinds
        return None


def lines_of(target: str | None) -> tuple[str, ...]:
    """Lines of LaTeX of a loss that comes with the suite; none for another one."""
    return next((FORMULAS.get(name, ()) for name, each in BUILT_IN.items() if each == target), ())


def mathml(latex: str, *, display: bool = False) -> Markup:
    """LaTeX as a ``math`` element; text in it is text, and only attributes of layout are kept.

    Raises:
        Exception: the library does not understand it.
    """
    element = convert_to_element(latex, display="block" if display else "inline")
    for node in element.iter():
        node.text = None if node.text is None else unescape(node.text)  # signs are references here, not characters
        for attribute in [key for key in node.attrib if key not in _ATTRIBUTES]:
            del node.attrib[attribute]
    return Markup(ET.tostring(element, encoding="unicode"))  # noqa: S704 - serialised, so escaped
