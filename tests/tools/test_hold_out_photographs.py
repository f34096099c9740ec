"""Photographs held out for validation stay out of training, by whatever name."""

from tools.hold_out_photographs import without_held_out


def test_a_picture_made_of_a_held_out_photograph_is_left_out_with_its_people() -> None:
    content = {
        "images": [
            {"id": 1, "source_file": "coco__000000000241.jpg"},
            {"id": 2, "source_file": "coco__000000002410.jpg"},
            {"id": 241, "source_file": "1331.jpg"},
            {"id": 4},
        ],
        "annotations": [{"id": 10 * image, "image_id": image} for image in (1, 2, 241, 4, 1)],
    }
    kept = without_held_out(content, {241})
    assert [image["id"] for image in kept["images"]] == [2, 241, 4]
    assert [person["id"] for person in kept["annotations"]] == [20, 2410, 40]
