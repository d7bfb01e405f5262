"""The Hub's client, and its errors as one line each."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from genarium import extras
from genarium.errors import RunError, UserError
from genarium.hub.address import Address

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


def api() -> Any:
    """`huggingface_hub.HfApi`, which says who asks."""
    from importlib.metadata import version

    from huggingface_hub import HfApi

    # asked for here, so that it counts however early the client was imported
    endpoint = os.environ.get("HF_ENDPOINT") or None
    return HfApi(endpoint, library_name="genarium", library_version=version("genarium"))


@contextlib.contextmanager
def errors(address: Address) -> Iterator[None]:
    """Within, what the client raises is a UserError of one line about `address`.

    Raises UserError too where the client is not installed.
    """
    extras.expect("hub", str(address))
    from huggingface_hub import constants
    from huggingface_hub import errors as theirs
    from huggingface_hub.utils import logging as verbosity

    utils: Any = importlib.import_module("huggingface_hub.utils")
    unreachable: tuple[type[Exception], ...] = (
        theirs.LocalEntryNotFoundError,
        theirs.OfflineModeIsEnabled,
        *_of_http("ConnectError", "TimeoutException"),
    )
    broken = _of_http("TransportError")
    before, bars = verbosity.get_verbosity(), not utils.are_progress_bars_disabled()
    verbosity.set_verbosity_error()  # it reports each of its five tries
    if not sys.stderr.isatty():
        utils.disable_progress_bars()
    try:
        yield
    except theirs.RevisionNotFoundError:
        raise UserError(
            f"{address}: {address.repository} has no revision {address.revision}: name a commit, "
            "tag or branch of it"
        ) from None
    except theirs.GatedRepoError:
        raise UserError(
            f"{address}: its owner has to agree first: ask on the page of {address.repository}, "
            f"then {LOG_IN}"
        ) from None
    except theirs.RepositoryNotFoundError:
        raise UserError(
            f"{address}: does not exist, or is private: check the name, or {LOG_IN}"
        ) from None
    except unreachable:
        if constants.HF_HUB_OFFLINE:
            why = "it is not in the cache, and HF_HUB_OFFLINE is set: unset it once"
        else:
            where = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
            why = f"{where} cannot be reached, and it is not in the cache: check the network"
        raise UserError(f"{address}: {why}") from None
    except broken:
        raise UserError(
            f"{address}: the transfer broke off: try again, it goes on where it stopped"
        ) from None
    except theirs.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise UserError(
                f"{address}: refused ({status}): the token may not do this: {LOG_IN}"
            ) from None
        raise RunError(f"{address}: the Hub says {status}: try again later") from error
    except theirs.HFValidationError as error:
        text = str(error).splitlines()[0]
        raise UserError(f"{address}: is no name of a repository: {text}") from None
    finally:
        verbosity.set_verbosity(before)
        if bars:
            utils.enable_progress_bars()


def _of_http(*names: str) -> tuple[type[Exception], ...]:
    """Errors of the HTTP library that the client uses: httpx2, or httpx in older versions."""
    known = (sys.modules.get(name) for name in ("httpx2", "httpx"))
    return tuple(getattr(module, name) for module in known if module is not None for name in names)
