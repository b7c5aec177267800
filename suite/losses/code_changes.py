"""Changes of the code of built-in losses across which their records are still compared.

A record has the digest of the code that made it. What code of today makes is compared with records of before where each
change between is one of these, and with no others: what a user has changed is told as other code. A change belongs here if
no recorded value moves by more than rounding does, or the runs whose values do were made anew.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeChange:
    """A change of one commit.

    Attributes:
        commit: that made it.
        what: what it does to values.
        digests: by loss, those of its code before and after.
    """

    commit: str
    what: str
    digests: dict[str, tuple[str, str]]


CHANGES = (
    CodeChange(
        "60173ea",
        "attraction in float32 keeps its digits where (d / delta)^alpha is above 1,096; runs that had lost more than a "
        "thousandth of it at d = sqrt(2) were made anew (docs/protocol.md). Other losses import parts of pfml alone",
        {
            "pfml": (
                "4b70df269616fd09a2fb5f56936f2a2ac003468e69cef5df446f0395a4eb42fb",
                "eb178a5ec1d28a2b1fb1f9afaa5bcc338142eb442215953f9d3d26adef85c452",
            ),
            "cpml": (
                "f4b3bc8d057419db94d6fcb8368c311ef4500d43189c58a68790b27327f4fe2a",
                "125c190f5fd9db8aef9bb202e44473a478dfda452bed887e7358525264e6fba5",
            ),
            "proxy_anchor": (
                "1b0271b4f78517df846625333fcd2d2e17c2c1d8efa4e59c16a7be608ccf0a6b",
                "87da79dddf7311b78225f094124b37e97b46dfaec4dd2427b0eb706596aaf645",
            ),
            "triplet": (
                "273e6c91162a11be2669643317530567a3303e964e9ad8db6cc9410f5ecf98ab",
                "e0717fa4b4b99d457c9393a0300308cc39cbfbe10058e639e969dc592b612b05",
            ),
            "multi_similarity": (
                "0466fde2b25d24b9380cf760955b70ed22415ddb330ee3f40ddfd3cd2b21f203",
                "28994448db2b92b2644625e09127a73b50e934f353c8d14e62b844cc9b3d0e97",
            ),
            "soft_triple": (
                "b1c722d96751a9dd8fa57e20cc1f347c12fc716b05d08011dcdc95bbbaaadef3",
                "d485deb01f1f4a2b123cb261d29d43f6d9d0e287a635ec04006e3a8718183962",
            ),
            "proxy_nca_pp": (
                "d6d34b0d1e6eb60f97b97931a67c5edbd7cc369291a8e3a0ff3cda4c5022061d",
                "967224ad3f5b6a4b563678afa361fa379dd072745a64ddffb500d001eeb478d1",
            ),
            "hist": (
                "eee9d51305ea3391f9129b801b9cdbfb91639b7b2476b3955a7db2bb215d0f58",
                "59422ca9a7b245fbd9a91b439ee88ff47d4d86370a2e299092594fb616478c95",
            ),
            "prism": (
                "d6851e33b9b2c029179aace48bc36c125673c84593511ad2c3771899089ecffc",
                "a89a0795ac2218de75a3721f77d883360051bd67e85d8b570d872f8e78b8935f",
            ),
            "sub_center_arcface": (
                "7894c1893ce626673d5c3d7c5666b3ac34824989f734688a7ea9308e4afd260e",
                "808a2aa1b2cdfba2d940eb169e1b1a367bb51c1860f60d8928e8819a3ec148e1",
            ),
            "smooth_ap": (
                "118b4d299a635cbd1ab4984ff0c2fdfc5d6cda4967f286aef736e645be365b0e",
                "ef238c269555b28c49dc7417efded291883e0ceba8159357233c18493b928efc",
            ),
            "recall_at_k": (
                "e4f484e55e8dc30e18653e07d693d357544440b0a007bb44f6a181d880042902",
                "e2c3827a02e02fbccd780b519ba673f88a2e9f1a6b4889038a1e242f6a9c0e1d",
            ),
            "supcon": (
                "e433c39758adf94544c11fa7fed656b2ad48d3732fe63bcae49b2bed8e09417a",
                "7d0edb7188996d71831d2f7e22389bcec8462b7c19875a30a63b1fc27f247604",
            ),
            "circle": (
                "94fe1de6a62569dc99b668dd4bdca7bf864834eb69b726ae363a574bc2649a8d",
                "b7bfef6848b2d06f813592c5d17f5bfeb06a25d81de356b7c033acb18fe95abc",
            ),
            "normalized_softmax": (
                "ed5de8726835ae8d9e22b5ef6e6b1eb986dff50d52db811ca902237f0771aa55",
                "2fbc2efed0ca5362eff8230551a14d40fc4605dafc78c55dd99176dc9ce6fadb",
            ),
            "cross_batch_memory": (
                "f1affacd5c515aca4ac8f58261cca3517e508640c8ea7b4c52a4b976e79d8e90",
                "dd12141d9e08ca165734b626aec6eb5e03f2f826ffbde406299b3c85bd2018bc",
            ),
            "super_loss": (
                "69d66b95833db4a89d57cd1f322a5c765f5d8f0489b97d41bdf5b754e5bc03df",
                "b3624fafd0fd79ecfb2630e0d4ecc1ce212cb191c913b37799f02a224f3df104",
            ),
            "smooth_proxy_anchor": (
                "94b53d828a362c466824004dce667004b3d19d3842ed7a0397924d90864c4193",
                "0cb68bf95e2a7de4ce270818ea3588ec6c2dba6bb09f2def1f68efd9343adf83",
            ),
            "pfml_constant_force": (
                "beb37105e67d44f209f9a6a6a08324616f9f222e446c9a8e06decfe4af809185",
                "247f53f88176b622dc77e0444fafa00bb79951e9f48a4719567358d286415f68",
            ),
            "pfml_growing_force": (
                "beb37105e67d44f209f9a6a6a08324616f9f222e446c9a8e06decfe4af809185",
                "247f53f88176b622dc77e0444fafa00bb79951e9f48a4719567358d286415f68",
            ),
            "pfml_two_radii": (
                "7385ed49f9172ee310a0c8e89a6553577f44aac7a5a2612f5a72feb1da78b485",
                "2518f82dda52122767e8f7c597853fef19701ce8446ee136fa350d703a68b874",
            ),
        },
    ),
)
"""In the order in which they were made."""
_AFTER = {before: after for change in CHANGES for before, after in change.digests.values()}


def latest_code(sha256: str) -> str:
    """The digest of a loss's code after the changes across which records are compared; of other code, its own."""
    while sha256 in _AFTER:
        sha256 = _AFTER[sha256]
    return sha256
