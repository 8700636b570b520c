#!/usr/bin/env bash
# ci/exports.sh [LIBRARY]: fails unless the library exports exactly one symbol, the module record.
# httpd loads modules with RTLD_GLOBAL, so any other symbol could clash with those of other modules.
set -euo pipefail
# shellcheck source=ci/lib.sh
. "$(dirname "$0")/lib.sh"

library=${1:-$root/target/release/libmod_proxy_ajp_rs.so}
[ -f "$library" ] || die "$library does not exist: build it first"
symbols=$(nm -D --defined-only "$library" | awk '{ print $NF }')
if [ "$symbols" != proxy_ajp_module ]; then
    say "$library exports:"
    say "$symbols"
    die "it should export proxy_ajp_module only"
fi
echo "$(basename "$library") exports proxy_ajp_module only"
