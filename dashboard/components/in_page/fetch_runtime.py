"""Fetch onnxruntime-web from the npm registry into `runtime/`, where it is committed and ships from.

    python -m dashboard.components.in_page.fetch_runtime

The archive must have the published SHA-512. The WebAssembly is kept compressed, always to the same bytes.
Another registry is named by npm_config_registry, as for npm itself.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import tarfile
import urllib.request
from pathlib import Path

VERSION = "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Of the archive, as the registry publishes it."""
FOLDER = Path(__file__).parent / "runtime"
SCRIPT, WEB_ASSEMBLY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"

SHA256 = {
    SCRIPT: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    f"{WEB_ASSEMBLY}.gz": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""Of the files that are kept, uncompressed."""


def fetch(registry: str) -> bytes:
    """The archive. Raises OSError without a network, ValueError for one that is not the published one."""
    url = f"{registry.rstrip('/')}/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
    with urllib.request.urlopen(url, timeout=60) as answer:
        archive: bytes = answer.read()
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != INTEGRITY:
        raise ValueError(f"{url} has the digest {found}; expected {INTEGRITY}")
    return archive


def unpack(archive: bytes) -> dict[str, bytes]:
    """The files of `runtime/` by name."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:

        def content(name: str) -> bytes:
            member = packed.extractfile(f"package/{name}")
            assert member is not None, "the published archive has it"
            return member.read()

        return {
            SCRIPT: content(f"dist/{SCRIPT}"),
            f"{WEB_ASSEMBLY}.gz": gzip.compress(content(f"dist/{WEB_ASSEMBLY}"), compresslevel=9, mtime=0),
        }


def main() -> None:
    """Write the files."""
    files = unpack(fetch(os.environ.get("npm_config_registry", "https://registry.npmjs.org")))
    FOLDER.mkdir(exist_ok=True)
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
