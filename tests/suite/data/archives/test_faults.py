"""Bad input: one line that names the file and what was expected; nothing that counts as done."""

import tarfile
from pathlib import Path

import pytest

from suite.data.archives import members
from tests.suite.data.archives import factory


def cub_without(*names):
    return {name: data for name, data in factory.cub_files().items() if name not in names}


@pytest.mark.parametrize("form", ["cub", "cars", "sop"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.98])
def test_truncated_archives(refused, workplace, form, share):
    paths = factory.MAKERS[form](workplace / "in")
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[: int(share * len(whole))])
    message = refused(form, paths, published=paths[1:])
    assert f"{paths[0]} is truncated, altered or no archive: " in message


def test_a_tar_file_that_lacks_only_its_checksum_is_truncated(refused, workplace):
    [path] = factory.write_cub(workplace / "in")
    path.write_bytes(path.read_bytes()[:-8])
    assert "is truncated or altered: " in refused("cub", [path], published=[])


def test_a_flipped_bit_is_found(refused, workplace):
    [path] = factory.write_cub(workplace / "in")
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # in the checksum of the gz file: all its contents are as they were
    path.write_bytes(data)
    assert "is truncated or altered: CRC check failed" in refused("cub", [path], published=[])


def test_a_web_page_saved_under_the_name(refused, workplace):
    path = workplace / "CUB_200_2011.tgz"
    path.write_text("<!DOCTYPE html><title>Quota exceeded</title>")
    assert f"{path} is truncated, altered or no archive: " in refused("cub", [path], published=[])


def test_the_wrong_archive_under_the_right_name(refused, workplace):
    sop = factory.write_tar(workplace / "CUB_200_2011.tgz", factory.sop_files())
    assert f"{sop} holds no images.txt: it is another archive" in refused("cub", [sop], published=[])
    images, annotations = factory.cars_pooled(workplace / "in")
    factory.write_tar(images, {f"cars_train/{k:05d}.jpg": factory.photo(k) for k in range(1, 9)})
    message = refused("cars", [images, annotations], published=[])
    assert "at least 15 annotated images cannot be used: 000001.jpg (no such file in the archive)" in message


def test_an_archive_of_another_data_set_is_named(refused, workplace):
    [path] = factory.write_sop(workplace / "in")
    renamed = path.rename(workplace / "CUB_200_2011.tgz")
    (workplace / "Stanford_Online_Products.zip").write_bytes(renamed.read_bytes())
    message = refused("cub", [renamed], published=[workplace / "Stanford_Online_Products.zip"])
    assert "is Stanford_Online_Products.zip of small sop by its md5; add it with: suite data add sop" in message


@pytest.mark.parametrize(
    ("dataset", "form", "chosen", "message"),
    [
        ("cars", "cars", [0], "takes car_ims.tgz cars_annos.mat, or cars_train.tgz cars_test.tgz car_devkit.tgz cars"),
        ("cars", "cars-split", [0, 1, 2], "small cars takes car_ims.tgz cars_annos.mat, or cars_train.tgz"),
        ("cub", "cub", [0, 0], "are both taken for CUB_200_2011.tgz; give one"),
    ],
)
def test_files_that_make_up_no_form(refused, workplace, dataset, form, chosen, message):
    paths = factory.MAKERS[form](workplace / "in")
    assert message in refused(dataset, [paths[place] for place in chosen])


def test_a_file_that_is_none_of_them(refused, workplace):
    images, annotations = factory.cars_pooled(workplace / "in")
    odd = images.rename(workplace / "pictures.tgz")
    message = refused("cars", [odd, annotations], published=[])
    assert "none of the files of small cars by md5 or name; allowed names: car_ims.tgz, cars_annos.mat, " in message
    assert "there is no file away.tgz" in refused("cars", [Path("away.tgz")], published=[])


def member(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "unsafe",
    [
        member("../escape.jpg", tarfile.REGTYPE),
        member("CUB_200_2011/../../escape.jpg", tarfile.REGTYPE),
        member("/etc/escape.jpg", tarfile.REGTYPE),
        member("CUB_200_2011/images/link.jpg", tarfile.SYMTYPE, "../../../etc/passwd"),
        member("CUB_200_2011/images/link.jpg", tarfile.SYMTYPE, "/etc/passwd"),
        member("CUB_200_2011/images/hard.jpg", tarfile.LNKTYPE, "../../etc/passwd"),
        member("CUB_200_2011/images/device", tarfile.CHRTYPE),
        member("CUB_200_2011/images/device", tarfile.BLKTYPE),
        member("CUB_200_2011/images/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.linkname}",
)
def test_unsafe_members_of_a_tar_file(refused, workplace, unsafe):
    path = factory.write_tar(workplace / "CUB_200_2011.tgz", factory.cub_files(), extra=[unsafe])
    assert f"{path} is unsafe and was not used: " in refused("cub", [path], published=[])
    assert not list(workplace.parent.rglob("escape*"))


@pytest.mark.parametrize("name", ["../escape.JPG", "/etc/escape.JPG", "a\\..\\..\\escape.JPG", "C:/escape.JPG"])
def test_unsafe_members_of_a_zip_file(refused, workplace, name):
    path = factory.write_zip(workplace / "x.zip", factory.sop_files() | {name: b""})
    assert f"{path} is unsafe and was not used: " in refused("sop", [path], published=[])


def test_links_in_a_zip_file_are_refused(refused, workplace):
    import zipfile

    [path] = factory.write_sop(workplace / "in")
    link = zipfile.ZipInfo("Stanford_Online_Products/bicycle_final/link.JPG")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "link.JPG' is a link or a special file" in refused("sop", [path], published=[])


def test_a_link_within_the_archive_is_no_image(refused, workplace):
    files = factory.cub_files()
    name = "CUB_200_2011/images/001.Bird_1/Bird_1_0000.jpg"
    del files[name]
    extra = [member(name, tarfile.SYMTYPE, "Bird_1_0001.jpg")]
    path = factory.write_tar(workplace / "CUB_200_2011.tgz", files, extra=extra)
    assert f"1 annotated images cannot be used: {name} (no such file" in refused("cub", [path])


def test_a_name_that_is_there_twice(refused, workplace):
    name = "CUB_200_2011/images/001.Bird_1/Bird_1_0000.jpg"
    path = factory.write_tar(workplace / "CUB_200_2011.tgz", factory.cub_files(), extra=[member(name, tarfile.REGTYPE)])
    assert f"holds {name} twice" in refused("cub", [path], published=[])


def test_a_member_that_would_fill_the_memory(refused, workplace, monkeypatch):
    monkeypatch.setattr(members, "LARGEST_MEMBER", 200)
    assert "bytes; allowed: up to 200" in refused("cub", factory.write_cub(workplace / "in"))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"classes": 6}, "the annotations have 5 classes, numbered 1 to 5; allowed: 6, numbered from 1"),
        ({"training_images": 7}, "the annotations list 6 images of the training classes; allowed: 7"),
        ({"test_images": 8}, "the annotations list 9 images of the test classes; allowed: 8"),
        ({"training_classes": 3}, "the annotations list 9 images of the training classes; allowed: 6"),
    ],
)
@pytest.mark.parametrize(("dataset", "form"), [("cub", "cub"), ("cars", "cars-split"), ("sop", "sop")])
def test_other_counts_than_expected(refused, workplace, dataset, form, counts, message):
    assert message in refused(dataset, factory.MAKERS[form](workplace / "in"), **counts)


def test_classes_numbered_from_zero(refused, workplace):
    files = factory.cub_files()
    classes = factory.lines((label, f"bird {label}") for label in range(5))
    labels = factory.lines((image, (image - 1) // 3) for image in range(1, 16))
    files |= {"CUB_200_2011/classes.txt": classes, "CUB_200_2011/image_class_labels.txt": labels}
    assert "numbered 0 to 4; allowed: 5, numbered from 1" in refused("cub", factory.write_cub(workplace / "in", files))


def test_images_without_a_file_are_counted_and_allowed_only_by_the_setting(refused, added, workplace):
    gone = [f"CUB_200_2011/images/001.Bird_1/Bird_1_000{k}.jpg" for k in range(2)]
    files = factory.write_cub(workplace / "in", cub_without(*gone))
    message = refused("cub", files)
    assert f"at least 2 annotated images cannot be used: {gone[0]} (no such file in the archive); {gone[1]}" in message
    assert "allowed by --max-unusable: 0" in message
    refused("cub", files, "--max-unusable", "1")
    cache = added("cub", files, "--max-unusable", "2")
    assert [each["name"] for each in cache.meta["unusable"]] == gone
    assert (cache.meta["training_images"], cache.meta["test_images"], len(cache.table)) == (4, 9, 13)


def test_corrupt_images_are_named_counted_and_allowed_only_by_the_setting(refused, add, workplace):
    pictures = factory.images()
    pictures[1, 0] = pictures[1, 0][:400]
    pictures[3, 1] = b""
    files = factory.write_sop(workplace / "in", factory.sop_files(pictures))
    message = refused("sop", files)
    assert "Stanford_Online_Products/sofa_final/11108512288_0.JPG (OSError: " in message
    assert "at least 2 annotated images" in refused("sop", files, "--max-unusable", "1")
    walk = add("sop", files, "--max-unusable", "2")
    assert walk.status == 0
    assert "NOTE: 2 annotated images are left out: Stanford_Online_Products/sofa_final/11108512288_0.JPG" in walk.out
    # A finished cache does not loosen the limit either.
    assert add("sop", files, "--max-unusable", "1").status == 2


def test_an_image_with_a_wrong_checksum_in_a_zip_is_corrupt(refused, workplace):
    picture = factory.photo(1)
    with_stored = {name: data for name, data in factory.sop_files().items() if not name.startswith("__")}
    path = workplace / "Stanford_Online_Products.zip"
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in with_stored.items():
            archive.writestr(name, data)
    data = path.read_bytes()
    picture = factory.images()[1, 0]
    path.write_bytes(data.replace(picture, picture[:-50] + bytes(50), 1))
    assert "at least 1 annotated images cannot be used" in refused("sop", [path], published=[])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("images.txt", "1 a.jpg\n1 b.jpg\n", "images.txt, line 2 is '1 b.jpg'; allowed: a new number and a value"),
        ("images.txt", "one a.jpg\n", "images.txt, line 1 is 'one a.jpg'"),
        ("images.txt", "1\n", "images.txt, line 1 is '1'"),
        ("images.txt", "1 a.jpg\n", "image 2 is in only one of images.txt and image_class_labels.txt"),
        ("classes.txt", "1 a\n", "image 4 has class 2, which classes.txt lacks"),
        ("image_class_labels.txt", "1 x\n", "image_class_labels.txt has 'x' where a whole number is expected"),
    ],
)
def test_malformed_annotations_of_cub(refused, workplace, name, text, message):
    files = factory.cub_files() | {f"CUB_200_2011/{name}": text.encode()}
    assert message in refused("cub", factory.write_cub(workplace / "in", files))


def test_two_rows_for_one_file(refused, workplace):
    files = factory.cub_files()
    rows = files["CUB_200_2011/images.txt"].decode().splitlines()
    rows[1] = "2 " + rows[0].split()[1]
    files["CUB_200_2011/images.txt"] = "\r\n".join(rows).encode()
    assert "images 1 and 2 are both CUB_200_2011/images/" in refused("cub", factory.write_cub(workplace / "in", files))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "Ebay_train.txt",
            "id class path\n",
            "begins with 'id class path'; allowed: image_id class_id super_class_id path",
        ),
        ("Ebay_train.txt", "image_id class_id super_class_id path\n1 2 3\n", "Ebay_train.txt has the line '1 2 3'"),
        ("Ebay_train.txt", "image_id class_id super_class_id path\n1 x 3 a/b\n", "has 'x' where a whole number"),
        (
            "Ebay_test.txt",
            "image_id class_id super_class_id path\n1 1 1 a/b\n",
            "class 1 is in both Ebay_train.txt and",
        ),
    ],
)
def test_malformed_lists_of_sop(refused, workplace, name, text, message):
    files = factory.sop_files() | {f"Stanford_Online_Products/{name}": text.encode()}
    assert message in refused("sop", factory.write_sop(workplace / "in", files))


def test_lists_of_sop_that_are_swapped(refused, workplace):
    files = factory.sop_files()
    train, test = (f"Stanford_Online_Products/Ebay_{part}.txt" for part in ("train", "test"))
    files[train], files[test] = files[test], files[train]
    message = refused("sop", factory.write_sop(workplace / "in", files))
    assert "the classes of Ebay_train.txt do not come before those of Ebay_test.txt" in message


def test_damaged_and_incomplete_matlab_files(refused, workplace):
    images, annotations = factory.cars_pooled(workplace / "in")
    whole = annotations.read_bytes()
    annotations.write_bytes(whole[: len(whole) // 2])
    assert f"{annotations}: cars_annos.mat is no readable MATLAB file: " in refused("cars", [images, annotations])
    factory.mat(annotations, class_names=factory._names(factory.CAR_NAMES))
    assert "has no variable 'annotations'; variables: class_names" in refused("cars", [images, annotations])
    table = factory._struct([{"fname": "1.jpg"}], ("fname",))
    factory.mat(annotations, annotations=table, class_names=factory._names(factory.CAR_NAMES))
    assert "have no field 'relative_im_path'; fields: fname" in refused("cars", [images, annotations])
    factory.cars_pooled(workplace / "in", names=factory.CAR_NAMES[:4])
    assert "class 5; allowed: 1 to 4, as class_names lists them" in refused("cars", [images, annotations])


def test_test_annotations_without_labels(refused, workplace):
    paths = factory.cars_split(workplace / "in")
    table = factory._struct([{"fname": "00001.jpg"}], ("fname",))
    factory.mat(paths[3], annotations=table)
    assert "have no field 'class'; fields: fname" in refused("cars", paths)


def test_settings_out_of_range(add, workplace):
    files = factory.write_cub(workplace / "in")
    assert add("birds", files).status == 2
    assert add("cub", files, "--short-side", "-1").status == 2
    assert add("cub", files, "--max-unusable", "many").status == 2
    (workplace / "bad.yaml").write_text("cub: {title: x}")
    walk = add("cub", files, "--editions", "bad.yaml")
    assert walk.status == 2
    assert walk.err.startswith("error: bad.yaml: cub.classes is missing; ")
    assert walk.err.count("\n") == 1


def test_bytes_behind_the_archive_are_no_fault_of_the_published_file(added, refused, workplace):
    [path] = factory.write_cub(workplace / "in")
    path.write_bytes(path.read_bytes() + b"garbage")
    assert "is truncated or altered: " in refused("cub", [path], published=[])
    assert len(added("cub", [path]).table) == 15
