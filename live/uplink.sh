#!/usr/bin/env bash
# The example server as a component of Debian's Prosody and, in a second run, of
# Debian's ejabberd: slixmpp on both sides judges what crosses the uplink while the
# peer is there, dead, a stranger, and back.
#
#   PEERS=ejabberd live/uplink.sh      with one of them
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peers.sh"
need_slixmpp
need_example server

for name in ${PEERS:-prosody ejabberd}; do judge_uplink "$name" "$@"; done
summary
