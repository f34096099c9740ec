"""Numbers and kinds of values as messages have them."""


def counted(number: int, singular: str, plural: str | None = None, form: str = "") -> str:
    """Return a number with its noun; `form` is how the number is written.

    >>> counted(1, "frame"), counted(2, "person", "people"), counted(1200, "frame", form=",")
    ('1 frame', '2 people', '1,200 frames')
    """
    return f"{number:{form}} {singular if number == 1 else plural or singular + 's'}"


def kind_of(value: object) -> str:
    """Name what JSON and YAML call a value.

    >>> kind_of([]), kind_of(None), kind_of(True), kind_of(1.5)
    ('a list', 'null', 'a truth value', 'a number')
    """
    if isinstance(value, dict):
        names = ", ".join(str(key)[:40] for key in [*value][:5])
        return f"an object with {names or 'nothing in it'}"
    kinds = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")
