"""Steps of the judges that live through a life with the official Okta SDK for Python, as they are printed in the end."""

steps = []


async def done(call):
    """What a call gives; some have nothing to give."""
    result = await call
    assert result[-1] is None, result[-1]
    return result[0] if len(result) > 2 else None


async def refused(what, call):
    error = (await call)[-1]
    steps.append(f"{what}: refused {error.status} {error.error_code}" if error else f"{what}: not refused")
