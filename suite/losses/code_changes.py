"""Changes of the code of built-in losses across which their records are still compared.

A record has the digest of the code that made it. What code of today makes is compared with records of before where each
change between is one of these, and with no others: what a user has changed is told as other code. A change belongs here if
no recorded value moves by more than rounding does, or the runs whose values do were made anew.
"""

CHANGES = {
    "60173ea": "attraction in float32 keeps its digits where (d / delta)^alpha is above 1,096; runs that had lost more than "
    "a thousandth of it at d = sqrt(2) were made anew (docs/protocol.md). Other losses import parts of pfml alone",
    "06b8c35": "docstrings alone",
}
"""By the commit that made it, what a change does to values; in order."""
CODE_DIGESTS = {
    "pfml": (
        "4b70df269616fd09a2fb5f56936f2a2ac003468e69cef5df446f0395a4eb42fb",
        "eb178a5ec1d28a2b1fb1f9afaa5bcc338142eb442215953f9d3d26adef85c452",
        "7a0ca8cd508117e9fc1eb2d2d71c2829c02096aaa792f1119c7defe46603f9d2",
    ),
    "cpml": (
        "f4b3bc8d057419db94d6fcb8368c311ef4500d43189c58a68790b27327f4fe2a",
        "125c190f5fd9db8aef9bb202e44473a478dfda452bed887e7358525264e6fba5",
        "aba3096407c42a451b6c461467341099e19429976a2a6d177aa82da3672ce8b2",
    ),
    "proxy_anchor": (
        "1b0271b4f78517df846625333fcd2d2e17c2c1d8efa4e59c16a7be608ccf0a6b",
        "87da79dddf7311b78225f094124b37e97b46dfaec4dd2427b0eb706596aaf645",
        "e3a8f96332fda81f766a319a4dd291f7ca3d1e72b2fb4ff7ce0df7fc56197479",
    ),
    "triplet": (
        "273e6c91162a11be2669643317530567a3303e964e9ad8db6cc9410f5ecf98ab",
        "e0717fa4b4b99d457c9393a0300308cc39cbfbe10058e639e969dc592b612b05",
        "ffa6f0be1672c8bcbe064b8de37b96009e86b3583dca5adac3c82adf799b30e0",
    ),
    "multi_similarity": (
        "0466fde2b25d24b9380cf760955b70ed22415ddb330ee3f40ddfd3cd2b21f203",
        "28994448db2b92b2644625e09127a73b50e934f353c8d14e62b844cc9b3d0e97",
        "e812505da8cc1c13be93b3e613c0e031f8cbc5cf56e3458436cb07e6d83cc47e",
    ),
    "soft_triple": (
        "b1c722d96751a9dd8fa57e20cc1f347c12fc716b05d08011dcdc95bbbaaadef3",
        "d485deb01f1f4a2b123cb261d29d43f6d9d0e287a635ec04006e3a8718183962",
        "5ba67bc6d0aa6b9afce0a12dc436970f596ffde234c26f4d18b454d7efd7b42a",
    ),
    "proxy_nca_pp": (
        "d6d34b0d1e6eb60f97b97931a67c5edbd7cc369291a8e3a0ff3cda4c5022061d",
        "967224ad3f5b6a4b563678afa361fa379dd072745a64ddffb500d001eeb478d1",
        "ca2f91d1cf0229996d89901eb126b2e576faf355e159af256f450a09a51d8098",
    ),
    "hist": (
        "eee9d51305ea3391f9129b801b9cdbfb91639b7b2476b3955a7db2bb215d0f58",
        "59422ca9a7b245fbd9a91b439ee88ff47d4d86370a2e299092594fb616478c95",
        "e45f3a2bdd4b66d42308545c5afb168e45fcc5679cd9691eb420923adb1a5e68",
    ),
    "prism": (
        "d6851e33b9b2c029179aace48bc36c125673c84593511ad2c3771899089ecffc",
        "a89a0795ac2218de75a3721f77d883360051bd67e85d8b570d872f8e78b8935f",
        "93d2f38dd89381a7a5ac7a48189d4941920741da7547b751d14309c3bb26592c",
    ),
    "sub_center_arcface": (
        "7894c1893ce626673d5c3d7c5666b3ac34824989f734688a7ea9308e4afd260e",
        "808a2aa1b2cdfba2d940eb169e1b1a367bb51c1860f60d8928e8819a3ec148e1",
        "8bdfaa61aafc345c84799cb8a36bee35abdbb5b791524c739c8b0f9966505dab",
    ),
    "smooth_ap": (
        "118b4d299a635cbd1ab4984ff0c2fdfc5d6cda4967f286aef736e645be365b0e",
        "ef238c269555b28c49dc7417efded291883e0ceba8159357233c18493b928efc",
        "6c7e7ac3b3e7ff70220f8916be7749f6cbfbe279526f7e9d5db98bcb8c7ae03c",
    ),
    "recall_at_k": (
        "e4f484e55e8dc30e18653e07d693d357544440b0a007bb44f6a181d880042902",
        "e2c3827a02e02fbccd780b519ba673f88a2e9f1a6b4889038a1e242f6a9c0e1d",
        "fd65b445e475ffe4040821fc8fdddab4bfc6b01bd03ed570a07ec1bd6ea3f59a",
    ),
    "supcon": (
        "e433c39758adf94544c11fa7fed656b2ad48d3732fe63bcae49b2bed8e09417a",
        "7d0edb7188996d71831d2f7e22389bcec8462b7c19875a30a63b1fc27f247604",
        "32c179246c4bbe586c4fed62fa1639549561a7ed7ffe962c13111286cb30327e",
    ),
    "circle": (
        "94fe1de6a62569dc99b668dd4bdca7bf864834eb69b726ae363a574bc2649a8d",
        "b7bfef6848b2d06f813592c5d17f5bfeb06a25d81de356b7c033acb18fe95abc",
        "e10c0f49a27524f4b3ba8c3e80740a2605bace3f86b343765dfa09c20b1787d8",
    ),
    "normalized_softmax": (
        "ed5de8726835ae8d9e22b5ef6e6b1eb986dff50d52db811ca902237f0771aa55",
        "2fbc2efed0ca5362eff8230551a14d40fc4605dafc78c55dd99176dc9ce6fadb",
        "0cb1060c5216b13ad2a31ea8cc625e8870f2000c1c96d7f023135e091d0cb37e",
    ),
    "cross_batch_memory": (
        "f1affacd5c515aca4ac8f58261cca3517e508640c8ea7b4c52a4b976e79d8e90",
        "dd12141d9e08ca165734b626aec6eb5e03f2f826ffbde406299b3c85bd2018bc",
        "303ab8a20e7b75bc5529162a72000ed95c04717aaeaf184645833d253d8aad4f",
    ),
    "super_loss": (
        "69d66b95833db4a89d57cd1f322a5c765f5d8f0489b97d41bdf5b754e5bc03df",
        "b3624fafd0fd79ecfb2630e0d4ecc1ce212cb191c913b37799f02a224f3df104",
        "35a2b44f3058a4d378fefd3fb10f485424100f24e135f9c74b633df36c579df3",
    ),
    "smooth_proxy_anchor": (
        "94b53d828a362c466824004dce667004b3d19d3842ed7a0397924d90864c4193",
        "0cb68bf95e2a7de4ce270818ea3588ec6c2dba6bb09f2def1f68efd9343adf83",
        "3ab645bcc0289cdec591b01e8dbc7fbf3db48a30845fee09cdd777839e74055f",
    ),
    "pfml_constant_force": (
        "beb37105e67d44f209f9a6a6a08324616f9f222e446c9a8e06decfe4af809185",
        "247f53f88176b622dc77e0444fafa00bb79951e9f48a4719567358d286415f68",
        "09af04fca08aebf336fdaf4c6cf1e6adf172656579e68b66dd6ecf767cea7967",
    ),
    "pfml_growing_force": (
        "beb37105e67d44f209f9a6a6a08324616f9f222e446c9a8e06decfe4af809185",
        "247f53f88176b622dc77e0444fafa00bb79951e9f48a4719567358d286415f68",
        "09af04fca08aebf336fdaf4c6cf1e6adf172656579e68b66dd6ecf767cea7967",
    ),
    "pfml_two_radii": (
        "7385ed49f9172ee310a0c8e89a6553577f44aac7a5a2612f5a72feb1da78b485",
        "2518f82dda52122767e8f7c597853fef19701ce8446ee136fa350d703a68b874",
        "acfe47b903db4f1abbd3beae360b51d690afbbc2c006914c5321d3eee00745df",
    ),
}
"""By loss, the digests of its code before the first change and after each."""
_LATEST = {digest: digests[-1] for digests in CODE_DIGESTS.values() for digest in digests}


def latest_code(sha256: str) -> str:
    """The digest of a loss's code after the changes across which records are compared; of other code, its own."""
    return _LATEST.get(sha256, sha256)
