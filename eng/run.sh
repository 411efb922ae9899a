#!/usr/bin/env bash
# Starts the programs beside it, which eng/publish-gpu.sh made, on a libtorch that is already on this machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    cat <<'TEXT'
usage: bash run.sh [--libtorch DIR] COMMAND [ARGUMENT...]

    check     only says whether the programs fit the libtorch
    smoke     Moe.Smoke: forward, backward and a training step, compared with the CPU (smoke --help)
    ratios    Moe.Benchmarks ratios: the table of ratios; --device cuda for those of the GPU (ratios --help)

DIR is the torch folder of a PyTorch installed with pip, an unpacked libtorch, or the lib folder of either. Without
--libtorch the environment variable MOE_LIBTORCH is taken. For a PyTorch it is what this prints:
    python3 -c "import torch; print(torch.__path__[0])"
TEXT
}

fail() {
    printf 'run.sh: %s\n' "$1" >&2
    exit 2
}

# Sets lib to the folder that has the libraries.
find_libtorch() {
    [ -n "$libtorch" ] || fail "where libtorch is has to be said, with --libtorch DIR or MOE_LIBTORCH (run.sh --help)."
    [ -d "$libtorch" ] || fail "the folder of libtorch, '$libtorch', is not there."
    lib=$(cd "$libtorch" && pwd)
    [ -d "$lib/lib" ] && lib=$lib/lib
    local name
    for name in libc10.so libtorch_cpu.so libtorch.so; do
        [ -e "$lib/$name" ] || fail "there is no $name in '$lib'."
    done
}

# The loader looks here before anywhere else. NVIDIA's libraries lie in packages beside that of PyTorch.
set_library_path() {
    local folders=$lib folder
    for folder in "$lib"/../../nvidia/*/lib; do
        [ -d "$folder" ] && folders+=:$folder
    done
    export LD_LIBRARY_PATH=$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

# TorchSharp's library is compiled against one version of libtorch. Without a library that it needs nothing starts; without
# a function of that version the process ends when the function is called, and most never are.
check_fit() {
    command -v ldd >/dev/null || return 0
    local found missing
    found=$(ldd -r "$here/smoke/libLibTorchSharp.so" 2>&1) || true
    missing=$(awk '/=> not found/ { print $1 }' <<<"$found" | sort -u)
    [ -z "$missing" ] || fail "libraries that nothing on this machine has, needed with '$lib': ${missing//$'\n'/, }."
    missing=$(awk '/undefined symbol:/ { print $3 }' <<<"$found" | sort -u)
    [ -n "$missing" ] || return 0
    printf "run.sh: '%s' lacks %d symbols that TorchSharp was linked with. A call of one ends the program. The first ones:\n%s\n" \
        "$lib" "$(wc -l <<<"$missing")" "$(head -n 20 <<<"$missing")" >&2
    return 1
}

libtorch=${MOE_LIBTORCH:-}
if [ "${1:-}" = --libtorch ]; then
    [ $# -ge 2 ] || fail "--libtorch needs a folder (run.sh --help)."
    libtorch=$2
    shift 2
fi
command=${1:---help}
[ $# -eq 0 ] || shift

case $command in
--help | -h) usage && exit ;;
check) program= ;;
smoke) program=$here/smoke/Moe.Smoke ;;
ratios) program=$here/benchmarks/Moe.Benchmarks && set -- ratios "$@" ;;
*) fail "there is no command '$command' (run.sh --help)." ;;
esac

find_libtorch
set_library_path
fits=0
check_fit || fits=1
if [ -z "$program" ]; then
    [ $fits -eq 0 ] && printf "'%s' has all that TorchSharp needs.\n" "$lib"
    exit $fits
fi
# Threads of OpenMP that wait by spinning make small operations several times slower where cores are few.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
exec "$program" "$@"
