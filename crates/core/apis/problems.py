"""What is wrong with the reviewed rows or missing in them. The generator reports all of it at once."""

PROBLEMS: list[str] = []


def report(file: str, what: str) -> None:
    """Notes a problem: the file under reviewed/ to change, and what to change."""
    PROBLEMS.append(f"reviewed/{file}: {what}")
