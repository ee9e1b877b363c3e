#!/usr/bin/env bash
# What members of the example `rooms` get who are away, users of Prosody and of our
# server; `live/run` has it, too.
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peers.sh"
need_slixmpp
need_example rooms
need_example server
judge_away "$@"
summary
