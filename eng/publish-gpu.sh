#!/usr/bin/env bash
# Publishes the benchmark and the smoke test for Linux x64 with their own .NET runtime and without libtorch, so that
# they run on a machine that has a libtorch (a PyTorch installed with pip, say), but neither SDK nor internet.
set -euo pipefail
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    cat <<'TEXT'
usage: bash eng/publish-gpu.sh [--out DIR]

Publishes benchmarks/Moe.Benchmarks and tests/Moe.Smoke into DIR (default: artifacts/gpu), with run.sh, which starts
them on a libtorch that is already on the machine. Copy the whole folder; eng/README.md says how to use it there.
TEXT
}

fail() {
    printf 'publish-gpu.sh: %s\n' "$1" >&2
    exit 2
}

out=artifacts/gpu
case ${1:-} in
--help | -h) usage && exit ;;
--out)
    [ $# -eq 2 ] || fail "--out needs one folder and nothing after it (--help)."
    out=$(cd "$from" && realpath -m "$2")
    ;;
*) [ $# -eq 0 ] || fail "unknown argument '$1' (--help)." ;;
esac

# Builds for another backend and platform: apart from those under bin and obj, which they would make stale.
publish() {
    dotnet publish "$1" --nologo -c Release -r linux-x64 --self-contained --artifacts-path artifacts/gpu-build \
        -p:TorchBackend=none -p:SatelliteResourceLanguages=en -o "$out/$2"
}

rm -rf "$out/benchmarks" "$out/smoke"
publish benchmarks/Moe.Benchmarks benchmarks
publish tests/Moe.Smoke smoke
cp eng/run.sh eng/README.md "$out/"
printf '\n%s: %s\nOn the other machine: bash run.sh --help\n' "$out" "$(du -sh "$out" | cut -f1)"
