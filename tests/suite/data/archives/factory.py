"""Small archives in exactly the on-disk formats of CUB-200-2011, Cars-196 and SOP, with an edition that they fit."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from scipy.io import savemat

CLASSES, TRAINING, EACH = 5, 2, 3
"""The zero-shot split of the small editions: classes 1-2 train (6 images), 3-5 test (9); SOP's halves are unequal too."""


def photo(seed, mode="RGB", size=(40, 30), kind="JPEG", **options):
    """An image file with smooth structure, so that JPEG keeps it well."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    coarse.convert(mode).save(stream, kind, **({"quality": 90} if kind == "JPEG" else {}) | options)
    return stream.getvalue()


def images(classes=CLASSES, each=EACH):
    """Image files by (class from 1, number from 0)."""
    return {(label, k): photo(100 * label + k) for label in range(1, classes + 1) for k in range(each)}


def write_tar(path, files, mode="w:gz", extra=()):
    """A tar archive of (name, bytes); ``extra`` are TarInfo objects without content."""
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in extra:
            archive.addfile(member)
    return path


def write_zip(path, files):
    """A zip archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def lines(rows):
    return "".join(" ".join(str(field) for field in row) + "\n" for row in rows).encode()


def cub_files(pictures=None):
    """The files of CUB_200_2011.tgz, annotations before, between and behind the images, as archives have them."""
    pictures = pictures or images()
    names = {label: f"{label:03d}.Bird_{label}" for label in sorted({label for label, _ in pictures})}
    paths = {key: f"{names[key[0]]}/Bird_{key[0]}_{key[1]:04d}.jpg" for key in pictures}
    ids = {key: count for count, key in enumerate(pictures, 1)}
    return {
        "attributes.txt": b"1 has_bill_shape::dagger\n",
        "CUB_200_2011/README": b"Caltech-UCSD Birds-200-2011\n",
        "CUB_200_2011/._images.txt": b"\x00\x05\x16\x07Mac OS X",
        "CUB_200_2011/classes.txt": lines(names.items()),
        **{f"CUB_200_2011/images/{paths[key]}": data for key, data in pictures.items()},
        f"CUB_200_2011/images/{names[1]}/._Bird_1_0000.jpg": b"\x00\x05\x16\x07",
        "CUB_200_2011/images.txt": lines((ids[key], paths[key]) for key in pictures),
        "CUB_200_2011/image_class_labels.txt": lines((ids[key], key[0]) for key in pictures),
        # The closed-set split: images of every class on both sides.
        "CUB_200_2011/train_test_split.txt": lines((ids[key], key[1] % 2) for key in pictures),
        "CUB_200_2011/bounding_boxes.txt": lines((ids[key], 1.0, 2.0, 3.0, 4.0) for key in pictures),
    }


CAR_NAMES = [
    "AM General Hummer SUV 2000",
    "Acura RL Sedan 2012",
    "Ram C/V Cargo Van Minivan 2012",
    "Volvo 240",
    "smart",
]


def _struct(rows, fields):
    table = np.empty((1, len(rows)), dtype=[(field, object) for field in fields])
    for place, row in enumerate(rows):
        for field in fields:
            value = row[field]
            table[0, place][field] = value if isinstance(value, str) else np.array([[value]], np.uint16)
    return table


def _names(names):
    cell = np.empty((1, len(names)), dtype=object)
    cell[0, :] = names
    return cell


def mat(path, **variables):
    savemat(path, variables)
    return Path(path).read_bytes()


_BOX = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


def _row(**fields):
    return dict.fromkeys(_BOX, 1) | fields


def cars_pooled(folder, pictures=None, names=CAR_NAMES):
    """car_ims.tgz and cars_annos.mat."""
    pictures = pictures or images()
    folder.mkdir(parents=True, exist_ok=True)
    paths = {key: f"car_ims/{count:06d}.jpg" for count, key in enumerate(pictures, 1)}
    rows = [_row(relative_im_path=paths[key], test=key[1] % 2, **{"class": key[0]}) for key in pictures]
    fields = ("relative_im_path", *_BOX, "class", "test")
    mat(folder / "cars_annos.mat", annotations=_struct(rows, fields), class_names=_names(names))
    archive = write_tar(folder / "car_ims.tgz", {paths[key]: data for key, data in pictures.items()})
    return [archive, folder / "cars_annos.mat"]


def cars_split(folder, pictures=None, names=CAR_NAMES):
    """cars_train.tgz, cars_test.tgz, car_devkit.tgz and cars_test_annos_withlabels.mat."""
    pictures = pictures or images()
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"train": [key for key in reversed(pictures) if not key[1] % 2], "test": [k for k in pictures if k[1] % 2]}
    rows, archives = {}, []
    for part, keys in parts.items():
        fnames = {key: f"{count:05d}.jpg" for count, key in enumerate(keys, 1)}
        rows[part] = [_row(fname=fnames[key], **{"class": key[0]}) for key in keys]
        files = {f"cars_{part}/{fnames[key]}": pictures[key] for key in keys}
        archives.append(write_tar(folder / f"cars_{part}.tgz", files))
    fields = (*_BOX, "class", "fname")
    train = mat(folder / "x.mat", annotations=_struct(rows["train"], fields))
    test = mat(folder / "x.mat", annotations=_struct(rows["test"], (*_BOX, "fname")))
    meta = mat(folder / "x.mat", class_names=_names(names))
    mat(folder / "cars_test_annos_withlabels.mat", annotations=_struct(rows["test"], fields))
    kit = {"cars_train_annos.mat": train, "cars_test_annos.mat": test, "cars_meta.mat": meta, "README.txt": b"devkit"}
    archives.append(write_tar(folder / "car_devkit.tgz", {f"devkit/{name}": data for name, data in kit.items()}))
    return [*archives, folder / "cars_test_annos_withlabels.mat"]


def sop_files(pictures=None):
    """The files of Stanford_Online_Products.zip."""
    pictures = pictures or images()
    head = [("image_id", "class_id", "super_class_id", "path")]
    category = {label: ("bicycle_final", "sofa_final")[label % 2] for label, _ in pictures}
    paths = {key: f"{category[key[0]]}/{11108512287 + key[0]}_{key[1]}.JPG" for key in pictures}
    rows = [(count, key[0], key[0] % 2 + 1, paths[key]) for count, key in enumerate(pictures, 1)]
    train = [row for row in rows if row[1] <= TRAINING]
    test = [row for row in rows if row[1] > TRAINING]
    return {
        "Stanford_Online_Products/": b"",
        "Stanford_Online_Products/Ebay_info.txt": lines(head + rows),
        "Stanford_Online_Products/Ebay_test.txt": lines(head + test),
        "Stanford_Online_Products/Ebay_train.txt": lines(head + train),
        **{f"Stanford_Online_Products/{paths[key]}": data for key, data in pictures.items()},
        "__MACOSX/Stanford_Online_Products/._Ebay_train.txt": b"\x00\x05\x16\x07",
    }


def write_cub(folder, files=None, name="CUB_200_2011.tgz"):
    folder.mkdir(parents=True, exist_ok=True)
    return [write_tar(folder / name, files or cub_files())]


def write_sop(folder, files=None):
    folder.mkdir(parents=True, exist_ok=True)
    return [write_zip(folder / "Stanford_Online_Products.zip", files or sop_files())]


MAKERS = {"cub": write_cub, "cars": cars_pooled, "cars-split": cars_split, "sop": write_sop}
_ROLES = {
    "cub": {"one archive": {"images": "CUB_200_2011.tgz"}},
    "cars": {
        "pooled": {"images": "car_ims.tgz", "annotations": "cars_annos.mat"},
        "train and test": {
            "train_images": "cars_train.tgz",
            "test_images": "cars_test.tgz",
            "devkit": "car_devkit.tgz",
            "test_annotations": "cars_test_annos_withlabels.mat",
        },
    },
    "sop": {"one archive": {"images": "Stanford_Online_Products.zip"}},
}


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_editions(path, published=(), **changes):
    """A file of editions whose MD5 sums are those of the ``published`` files, by name."""
    sums = {file.name: md5(file) for file in published}
    counts = {
        "classes": CLASSES,
        "training_classes": TRAINING,
        "training_images": TRAINING * EACH,
        "test_images": (CLASSES - TRAINING) * EACH,
    }
    editions = {}
    for dataset, forms in _ROLES.items():
        made = {
            form: {role: {"name": name, "md5": sums.get(name, "0" * 32)} for role, name in files.items()}
            for form, files in forms.items()
        }
        editions[dataset] = {"title": f"small {dataset}", **counts, **changes, "forms": made}
    path.write_text(yaml.safe_dump(editions, sort_keys=False))
    return path
