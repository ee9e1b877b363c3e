#!/usr/bin/env bash
# The example server with --account-rooms as a component of Debian's Prosody and, in
# a second run, of Debian's ejabberd: an account of ours in rooms of theirs, seen by
# two clients of it and by a native user of the peer.
#
#   PEERS=ejabberd live/account_rooms.sh      with one of them
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peers.sh"
need_slixmpp
need_example server

for name in ${PEERS:-prosody ejabberd}; do judge_account_rooms "$name" "$@"; done
summary
